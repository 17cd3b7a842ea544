from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`init_from_existing` names a file; this model wants the folder it lies in.

    Why: all models but FLUX.1 search the given folder for one .safetensors file; a file name finds none:
    RuntimeError after caching and loading.
    Instead: name the folder (`.../epoch50`), which must hold one .safetensors file only.
    Sources: tdrussell/diffusion-pipe@8f83dbf models/base.py lines 367-374 and 709-716, models/flux.py line 240,
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    [adapter]
    type = "lora"
    rank = 32
    init_from_existing = "/runs/first/epoch50/adapter_model.safetensors"
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    [adapter]
    type = "lora"
    rank = 32
    init_from_existing = "/runs/first/epoch50"
    ```
    """
    weights = plan.network.weights
    if plan.get("model.type").value == "flux" or not isinstance(weights.value, str):
        return
    if weights.value.endswith(".safetensors"):
        folder = weights.value.replace("\\", "/").rpartition("/")[0]
        yield weights.finding(
            "`init_from_existing` is a file: RuntimeError `No safetensors file found` after caching and loading",
            "name the folder it lies in",
            weights.write(folder, safe=False) if folder else None,
        )
