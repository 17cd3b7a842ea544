from collections.abc import Iterator

from lora_doctor.adapter.facts import Adapter
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="reproduced")
def check(adapter: Adapter) -> Iterator[Finding]:
    """diffusers exchanges the halves of the final modulation.

    Why: Black Forest Labs store shift before scale, diffusers scale before shift. diffusers swaps the halves when it
    converts the model, but its FLUX.2 LoRA converter does not: the learned shift is applied as scale and the other
    way round.
    Instead: convert the file to diffusers names, which swaps the rows. ComfyUI applies it right as it is.
    Sources: diffusers 0.42.1 loaders/lora_conversion_utils.py (_convert_non_diffusers_flux2_lora_to_diffusers against
    scripts/convert_flux2_to_diffusers.py), verified on a tiny model

    ```adapter flagged
    model = "flux2-klein-4b"
    format = "comfyui"
    targets = "final_layer|single_blocks.0"
    ```
    ```adapter clean
    model = "flux2-klein-4b"
    targets = "norm_out|single_transformer_blocks.0"
    ```
    """
    row = adapter.loads_in("diffusers")
    if row is not None and "exchanged" in row.reason and not adapter.key:
        yield adapter.finding(
            "has final_layer.adaLN_modulation in native names: diffusers exchanges its shift and scale",
            f"for diffusers run `{adapter.command('convert', '--to diffusers --output NEW.safetensors')}`",
        )
