from collections.abc import Iterator

from lora_doctor.adapter.facts import Adapter
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="reproduced")
def check(adapter: Adapter) -> Iterator[Finding]:
    """Alpha tensors under native names stop diffusers.

    Why: OneTrainer's ComfyUI export writes `.alpha` beside `lora_A` and `lora_B`. ComfyUI uses it; diffusers'
    converter for FLUX.2 has no place for it and raises "original_state_dict should be empty at this point".
    Instead: convert the file to diffusers names, which moves alpha into the metadata. For ComfyUI it is fine as it
    is.
    Sources: huggingface/diffusers#13137, https://github.com/huggingface/diffusers/issues/13137; diffusers 0.42.1
    loaders/lora_conversion_utils.py (_convert_non_diffusers_flux2_lora_to_diffusers)

    ```adapter flagged
    model = "flux2-klein-4b"
    format = "comfyui"
    targets = "single_blocks.0"
    alpha = 1.0
    ```
    ```adapter clean
    model = "flux2-klein-4b"
    format = "comfyui"
    targets = "single_blocks.0"
    ```
    """
    row = adapter.loads_in("diffusers")
    native = not adapter.file.outline.prefixes.isdisjoint(("diffusion_model.", "base_model.model."))
    if adapter.key or row is None or row.status != "fails" or not native or adapter.scales.source != "tensors":
        return
    if set(adapter.format.kinds) == {"lora"}:
        yield adapter.finding(
            "has alpha tensors under native names: diffusers stops with a ValueError",
            f"for diffusers run `{adapter.command('convert', '--to diffusers --output NEW.safetensors')}`",
        )
