from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A scaled fp8 file that is cast to plain fp8.

    Why: the weights of an `fp8_scaled` file are multiplied out at loading, and `diffusion_model_dtype = "float8"` then
    rounds them a second time, to fp8 without a scale. Left out, the file's scaled weights are trained on as they are,
    in the same memory.
    Instead: leave `diffusion_model_dtype` out. The documentation's Ideogram example sets it all the same.
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
            f"an {found} file with `diffusion_model_dtype` = {dtype.value}: its weights are rounded twice",
            "remove it",
            dtype.remove(safe=False),
        )
