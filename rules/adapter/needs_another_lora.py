from collections.abc import Iterator

from lora_doctor.adapter.facts import Adapter
from lora_doctor.adapter.needed import needed_by
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(adapter: Adapter) -> Iterator[Finding]:
    """Was trained on top of another LoRA.

    Why: lora-doctor trained it with another LoRA stacked or merged beneath (`adapter.stack_on`, `adapter.merge`): it
    holds only what comes on top, and alone it does what nobody has looked at.
    Instead: load both, each at strength 1; or fold them into one file, which is exact.
    Sources: lora_doctor/train/companions.py, which writes the entry `load_with`

    ```adapter flagged
    model = "flux2-klein-4b"
    format = "diffusers"
    targets = "single_transformer_blocks.0"
    metadata = {load_with = '[{"file": "domain.safetensors", "sha256": "00"}]'}
    ```
    ```adapter clean
    model = "flux2-klein-4b"
    format = "diffusers"
    targets = "single_transformer_blocks.0"
    ```
    """
    needed = needed_by(adapter.file.metadata)
    if needed and not adapter.key:  # the config of a run that goes on from it names the others
        files = " and ".join(each.file for each in needed)
        yield adapter.finding(
            f"was trained on top of {files}, and holds only what comes on top",
            f"load both at strength 1, or fold them: `{adapter.command('merge')} "
            f"{' '.join(each.file for each in needed)} --output NEW.safetensors`",
        )
