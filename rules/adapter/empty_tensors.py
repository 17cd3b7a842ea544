from collections.abc import Iterator

from lora_doctor.adapter.facts import Adapter
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reported")
def check(adapter: Adapter) -> Iterator[Finding]:
    """Tensors without elements.

    Why: DeepSpeed ZeRO-3 and FSDP keep a shard of each weight on each device. A save that does not gather them first
    writes tensors of size zero: the file opens, and holds nothing.
    Instead: save with the trainer's own gathering (`zero3_save_16bit_model`, `accelerator.get_state_dict`), and train
    on from the sharded state if it is still there.
    Sources: huggingface/peft#2500, https://github.com/huggingface/peft/issues/2500

    ```adapter flagged
    model = "flux2-klein-4b"
    targets = "blocks.0.attn.to_q$"
    [extra]
    "transformer.transformer_blocks.1.attn.to_q.lora_A.weight" = [0]
    "transformer.transformer_blocks.1.attn.to_q.lora_B.weight" = [0]
    ```
    ```adapter clean
    model = "flux2-klein-4b"
    targets = "blocks.[01].attn.to_q$"
    ```
    """
    broken = [layer for layer in adapter.layers if layer.problem]
    empty = [layer for layer in broken if any(0 in info.shape for info in layer.infos)]
    if empty:
        yield adapter.finding(
            f"{len(empty)} of {len(adapter.layers)} layers have tensors without elements, e.g. {empty[0].name}: the "
            "weights were saved in shards that were never gathered",
            "save again from the training state, gathered",
        )
