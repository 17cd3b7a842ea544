from collections.abc import Iterator

from lora_doctor.adapter.facts import Adapter
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reproduced")
def check(adapter: Adapter) -> Iterator[Finding]:
    """No program finds a key under the names it looks for.

    Why: loaders look for a prefix and drop every key without it. diffusers warns that no LoRA keys were found,
    ComfyUI logs `lora key not loaded`; neither stops, and the image is the base model's. Bare PEFT exports, fal's
    trainer and hand-written conversions write such names.
    Instead: convert the file to the names of the program it is for.
    Sources: huggingface/diffusers#13162, https://github.com/huggingface/diffusers/issues/13162;
    kohya-ss/musubi-tuner#905, https://github.com/kohya-ss/musubi-tuner/issues/905; Comfy-Org/ComfyUI#11975,
    https://github.com/Comfy-Org/ComfyUI/issues/11975

    ```adapter flagged
    model = "flux2-klein-4b"
    format = "checkpoint"
    targets = "blocks.0.img_attn"
    ```
    ```adapter flagged
    model = "flux2-klein-4b"
    format = "peft"
    targets = "blocks.0.img_attn"
    ```
    ```adapter clean
    model = "flux2-klein-4b"
    format = "comfyui"
    targets = "blocks.0.img_attn"
    ```
    """
    rows = [row for row in map(adapter.loads_in, ("diffusers", "ComfyUI")) if row is not None]
    silent = [row.consumer for row in rows if row.status == "none" and row.command]
    if adapter.key or not silent:
        return
    others = [row for row in rows if row.consumer not in silent and row.status in ("all", "some")]
    one = len(silent) == 1
    target = "comfyui" if "ComfyUI" in silent else "diffusers"
    found = adapter.finding(
        f"{' and '.join(silent)} {'finds' if one else 'find'} no key of this file ({adapter.format.title}) and "
        f"{'applies' if one else 'apply'} nothing, in silence",
        f"run `{adapter.command('convert', f'--to {target} --output NEW.safetensors')}`",
    )
    yield found._replace(level="warning") if others else found
