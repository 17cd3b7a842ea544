from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A scaled fp8 file that is cast to plain fp8.

    Why: the weights of an `fp8_scaled` file are multiplied out at loading, and `diffusion_model_dtype = "float8"`
    then rounds them to fp8 without a scale: small weights become 0, which the scale was there to prevent.
    Instead: leave `diffusion_model_dtype` out and the quantised weights are trained on as they are, or use the bf16
    file.
    Sources: tdrussell/diffusion-pipe@8f83dbf models/base.py lines 599-627 and 666, README.md (2026-06-07),
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b-fp8_scaled.safetensors"
    dtype = "bfloat16"
    diffusion_model_dtype = "float8"
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b-fp8_scaled.safetensors"
    dtype = "bfloat16"
    ```
    """
    dtype, found = plan.get("model.diffusion_model_dtype"), plan.model.found.precision
    if dtype.written and plan.precision.base.value == "fp8" and found in ("fp8_scaled", "fp8mixed"):
        yield dtype.finding(
            f"an {found} file with `diffusion_model_dtype` = {dtype.value}: its weights lose their scale",
            "remove it, or use the bf16 file",
            dtype.remove(safe=False),
        )
