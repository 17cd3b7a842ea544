from collections.abc import Iterator

from lora_doctor.models.optimizers import ARGUMENTS
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

OWN = {"type", "gradient_release", "beta2_half_life"}  # read by train.py itself


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A key in `[optimizer]` that its class does not take.

    Why: everything in `[optimizer]` beside `type`, `gradient_release` and `beta2_half_life` is handed to the
    optimiser's constructor: a key it does not take is a TypeError after caching and loading.
    Instead: remove it, or move it where it belongs. Automagic takes `beta2`, not `betas`.
    Sources: tdrussell/diffusion-pipe@8f83dbf train.py lines 662-800, optimizers/automagic.py,
    optimizers/generic_optim.py, https://github.com/tdrussell/diffusion-pipe; torch-optimi 0.3.3,
    https://github.com/warner-benjamin/optimi

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    [optimizer]
    type = "adamw_optimi"
    lr = 1e-4
    warmup_steps = 100
    ```
    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    [optimizer]
    type = "automagic"
    betas = [0.9, 0.99]
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
    [optimizer]
    type = "adamw_optimi"
    lr = 1e-4
    betas = [0.9, 0.99]
    kahan_sum = true
    ```
    """
    name = str(plan.optimizer.name.value or "")
    taken = ARGUMENTS.get(name.lower())
    if taken is None:
        return
    for key in plan.config.items("optimizer"):
        argument = key.rpartition(".")[2]
        if argument not in OWN and argument not in taken:
            setting = plan.get(key)
            message = f"`{name}` takes no `{argument}`: TypeError after caching and loading"
            yield setting.finding(message, "remove it", setting.remove(safe=False))
