from collections.abc import Iterator

from lora_doctor.adapter.facts import Adapter
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(adapter: Adapter) -> Iterator[Finding]:
    """The trainer does not read the names of the LoRA it shall train on from.

    Why: sd-scripts and musubi-tuner look for `lora_unet_` names in `network_weights`. Keys in other names are passed
    over: the run starts from nothing, with a list of missing keys in the log at most.
    Instead: convert the file to kohya's names first.
    Sources: sd-scripts networks/lora.py@48d368f (load_weights, load_state_dict strict=False); musubi-tuner
    networks/lora.py@30c658c

    ```adapter flagged
    model = "flux2-klein-4b"
    targets = "single_transformer_blocks.0"
    trainer = "musubi-tuner"
    ```
    ```adapter clean
    model = "flux2-klein-4b"
    format = "kohya"
    alpha = 2.0
    targets = "single_blocks.0"
    trainer = "musubi-tuner"
    ```
    """
    row = adapter.loads_in(adapter.trainer) if adapter.trainer else None
    if row is not None and row.status == "none" and row.command:
        yield adapter.finding(
            f"{adapter.trainer} reads no key of {adapter.file.path.name} ({adapter.format.title}): the run starts anew",
            f"run `{row.command}` and start from that",
        )
