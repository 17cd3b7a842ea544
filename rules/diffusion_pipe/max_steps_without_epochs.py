from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`max_steps` alone does not replace `epochs`.

    Why: the saver reads `epochs` whenever an epoch ends; without the key the run dies there with a KeyError, after
    saving. Only a run whose last step comes before the end of its first epoch is spared.
    Instead: set `epochs` high enough that `max_steps` ends the run. With `lr_scheduler` linear or cosine it must be
    the real number.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/saver.py line 140, https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    max_steps = 2000
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 1000
    max_steps = 2000
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    """
    if plan.training and plan.steps.value and not plan.epochs.written and plan.optimizer.scheduler.value == "constant":
        yield plan.epochs.finding(
            f"`max_steps` = {plan.steps.value} without `epochs`: KeyError at the end of the first epoch, unless the "
            "steps end before it",
            "set `epochs` as well, for example to 1000",
            plan.epochs.write(1000, safe=False),
        )
