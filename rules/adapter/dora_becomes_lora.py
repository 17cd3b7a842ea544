from collections.abc import Iterator

from lora_doctor.adapter.facts import Adapter
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="reproduced")
def check(adapter: Adapter) -> Iterator[Finding]:
    """A DoRA that a program applies as a plain LoRA.

    Why: a DoRA rescales every output row after adding the change. ComfyUI knows the magnitudes as `dora_scale` only,
    not as PEFT's `lora_magnitude_vector`; diffusers filters `dora_scale` out. Either way direction without magnitude
    is applied, and the image is off.
    Instead: convert the file for the program it is for: each direction has a spelling that is understood.
    Sources: xmarre/ComfyUI-DoRA-Dynamic-LoRA-Loader#24,
    https://github.com/xmarre/ComfyUI-DoRA-Dynamic-LoRA-Loader/issues/24; diffusers 0.42.1 loaders/lora_pipeline.py

    ```adapter flagged
    model = "flux2-klein-4b"
    format = "comfyui"
    targets = "single_blocks.0"
    dora = true
    ```
    ```adapter clean
    model = "flux2-klein-4b"
    format = "comfyui"
    targets = "single_blocks.0"
    ```
    """
    for consumer, target in (("diffusers", "diffusers"), ("ComfyUI", "comfyui")):
        row = adapter.loads_in(consumer)
        if row is not None and "DoRA" in row.reason and not adapter.key:
            yield adapter.finding(
                f"{consumer} applies this DoRA as a plain LoRA: its magnitudes are dropped",
                f"for {consumer} run `{adapter.command('convert', '--to', target, '--output NEW.safetensors')}`",
            )
