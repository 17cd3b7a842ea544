from collections.abc import Iterator

from lora_doctor.models.families import FAMILIES
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The VAE belongs to another model.

    Why: FLUX.2's VAE has 32 channels, FLUX.1's and SD3's 16, SDXL's and SD 1.5's 4, SANA's DC-AE 32 at another
    compression. A wrong one stops with a shape mismatch, or (SD 1.5's in SDXL: equal shapes, another scaling) trains on
    latents the model does not know.
    Instead: use the VAE of this model.
    Sources: diffusers 0.42.1 (AutoencoderKLFlux2, AutoencoderKL, AutoencoderDC); kohya-ss/musubi-tuner docs/flux_2.md

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    vae = "/models/sdxl_vae.safetensors"
    text_encoders = [{path = "/models/qwen_3_8b.safetensors", type = "flux2"}]
    dtype = "bfloat16"
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    vae = "/models/flux2-vae.safetensors"
    text_encoders = [{path = "/models/qwen_3_8b.safetensors", type = "flux2"}]
    dtype = "bfloat16"
    ```
    """
    family, vae = FAMILIES.get(plan.model.family or ""), plan.vae.found
    known = {other.vae for other in FAMILIES.values()}
    if family is None or vae.vae not in known or vae.vae == family.vae or vae.certainty == "ambiguous":
        return
    yield plan.vae.setting.finding(
        f"this is the {vae.vae} VAE; {family.title} was trained with {family.vae}", f"use the VAE of {family.title}"
    )
