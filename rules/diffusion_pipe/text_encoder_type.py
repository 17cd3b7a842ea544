from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

RIGHT = {"flux2": "flux2", "z_image": "lumina2"}


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The encoder's `type` makes another encoder of the same file.

    Why: qwen_3_4b.safetensors serves Klein 4B and Z-Image. ComfyUI's loader builds Klein's (three hidden layers,
    width 7680) only for type `flux` or `flux2`, and Z-Image's (one layer, 2560) for every other type, misspelt ones
    included: caching succeeds and training stops at its first step with a shape mismatch.
    Instead: `type = "flux2"` with Klein, `type = "lumina2"` with Z-Image.
    Sources: ComfyUI comfy/sd.py load_text_encoder_state_dicts, https://github.com/comfyanonymous/ComfyUI;
    tdrussell/diffusion-pipe@8f83dbf models/base.py line 586 and docs/supported_models.md,
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-4b.safetensors"
    dtype = "bfloat16"
    text_encoders = [{path = "/models/qwen_3_4b.safetensors", type = "flux-2"}]
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-4b.safetensors"
    dtype = "bfloat16"
    text_encoders = [{path = "/models/qwen_3_4b.safetensors", type = "flux2"}]
    ```
    """
    kind, right = plan.get("model.text_encoders.0.type"), RIGHT.get(str(plan.get("model.type").value))
    if plan.text_encoder.found.encoder != "qwen3-4b" or not right or not isinstance(kind.value, str):
        return
    as_klein = kind.value.lower() in ("flux", "flux2")
    if as_klein != (right == "flux2"):
        loaded = "Klein's" if as_klein else "Z-Image's"
        yield kind.finding(
            f"`type` = {kind.value}: this file is loaded as {loaded} encoder, and training stops at its first step "
            "with a shape mismatch",
            f"write `{right}`",
            kind.write(right),
        )
