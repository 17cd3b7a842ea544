from collections.abc import Iterator

from lora_doctor.adapter.facts import Adapter
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reproduced")
def check(adapter: Adapter) -> Iterator[Finding]:
    """Trained from an initialisation that changes the base model.

    Why: PiSSA, OLoRA, CorDA and LoftQ move part of the base's weights into the adapter before training. The saved
    adapter is right only on that changed base: on the original model the moved part is counted twice, and diffusers
    stops while it reads the entry.
    Instead: convert it in the training environment (PEFT's `save_pretrained` with
    `path_initial_model_for_weight_conversion`) or train again with `init_lora_weights` true or "gaussian".
    Sources: PEFT 0.21.2 on a tiny Klein (set_data error on reload; images differ without the entry); PEFT docs,
    https://huggingface.co/docs/peft/developer_guides/lora#pissa

    ```adapter flagged
    model = "flux2-klein-4b"
    targets = "single_transformer_blocks.0"
    metadata.lora_adapter_metadata = '''{
      "transformer.r": 2,
      "transformer.lora_alpha": 2,
      "transformer.init_lora_weights": "pissa"
    }'''
    ```
    ```adapter clean
    model = "flux2-klein-4b"
    targets = "single_transformer_blocks.0"
    metadata.lora_adapter_metadata = '''{
      "transformer.r": 2,
      "transformer.lora_alpha": 2,
      "transformer.init_lora_weights": "gaussian"
    }'''
    ```
    """
    for config in adapter.scales.config.values():
        start = config.get("init_lora_weights")
        if isinstance(start, str) and start.lower().startswith(("pissa", "olora", "corda", "loftq")):
            yield adapter.finding(
                f"trained with init_lora_weights {start!r}, which changes the base: on the original it is wrong",
                "convert it with PEFT where it was trained, or train again from a plain initialisation",
            )
            return
