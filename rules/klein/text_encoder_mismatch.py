from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

ENCODERS = {"4B": "qwen3-4b", "9B": "qwen3-8b"}


@rule(level="error", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """Text encoder belongs to the other Klein size.

    Why: Klein 4B was trained with Qwen3 4B (hidden size 2560, three layers: 7680), Klein 9B with Qwen3 8B (4096:
    12288). With the wrong one caching succeeds and training stops at its first step with a shape mismatch, so the
    caching time is lost.
    Instead: point to the Qwen3 that belongs to this Klein.
    Sources: diffusion-pipe docs/supported_models.md, https://github.com/tdrussell/diffusion-pipe/blob/main/docs/supported_models.md;
    Comfy-Org/docs#737, https://github.com/Comfy-Org/docs/issues/737

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    vae = "/models/flux2-vae.safetensors"
    text_encoders = [{path = "/models/qwen_3_4b.safetensors", type = "flux2"}]
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
    encoder, size = plan.text_encoder.found.encoder, plan.model.size
    if encoder in ENCODERS.values() and size in ENCODERS and encoder != ENCODERS[size]:
        yield plan.text_encoder.setting.finding(
            f"{encoder} with Klein {size}: Klein {size} was trained with {ENCODERS[size]}, so training stops at its "
            "first step with a shape mismatch, after the caching",
            f"use {ENCODERS[size]}",
        )
