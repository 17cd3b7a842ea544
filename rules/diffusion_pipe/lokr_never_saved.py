from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """LoKr with a model that can't save it.

    Why: FLUX.1 trains a LoKr and refuses to save it: NotImplementedError at the first save, everything trained
    until then is lost. SDXL refuses it after caching and loading.
    Instead: use `type = "lora"` with these two models.
    Sources: tdrussell/diffusion-pipe@8f83dbf models/flux.py lines 231-236, models/sdxl.py lines 443-472,
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux"
    diffusers_path = "/models/FLUX.1-dev"
    dtype = "bfloat16"
    [adapter]
    type = "lokr"
    rank = 32
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
    type = "lokr"
    rank = 32
    ```
    """
    kind, model = plan.network.kind, plan.get("model.type").value
    when = {"flux": "at the first save", "sdxl": "after caching and loading"}
    if kind.value == "lokr" and model in when:
        yield kind.finding(
            f"`lokr` with `{model}`: NotImplementedError {when[model]}", 'use "lora"', kind.write("lora", safe=False)
        )
