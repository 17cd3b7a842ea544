from collections.abc import Iterator

from lora_doctor.adapter.facts import Adapter
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(adapter: Adapter) -> Iterator[Finding]:
    """A program applies part of the LoRA only.

    Why: each loader knows the names of some layers. ComfyUI reads attention of Stable Diffusion in kohya's or the old
    `processor` spelling, not in today's diffusers names, and no modulation layers of FLUX.2 in diffusers names;
    diffusers drops modulation and guidance layers of kohya files. The rest is applied, so the LoRA looks weak, not
    absent.
    Instead: convert the file to the names of the program it is for.
    Sources: ComfyUI comfy/lora.py@17358c8 (model_lora_keys_unet); diffusers 0.42.1 loaders/lora_conversion_utils.py
    (_convert_kohya_flux2_lora_to_diffusers)

    ```adapter flagged
    model = "sdxl"
    format = "unet"
    targets = "down_blocks.1.attentions.0"
    ```
    ```adapter flagged
    model = "flux2-klein-4b"
    targets = "modulation|blocks.0.attn"
    ```
    ```adapter clean
    model = "sdxl"
    format = "kohya"
    targets = "input_blocks.4.1"
    ```
    """
    for consumer in ("diffusers", "ComfyUI"):
        row = adapter.loads_in(consumer)
        if adapter.key or row is None or row.status != "some" or not row.command or not adapter.file.denoiser:
            continue
        if row.loaded < len(adapter.file.denoiser):
            yield adapter.finding(
                f"{consumer} applies {row.loaded} of {row.total} layers ({row.reason[:120]})", f"run `{row.command}`"
            )
