from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`max_steps` = 0 ends the run after its first step.

    Why: the loop stops when the step count has reached `max_steps`, and the key counts as set even at 0: the first
    step reaches it. There is no value that means unlimited.
    Instead: remove the key to let `epochs` decide.
    Sources: tdrussell/diffusion-pipe@8f83dbf train.py line 961, https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    max_steps = 0
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    max_steps = 2000
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    """
    steps = plan.steps
    if plan.training and steps.written and isinstance(steps.value, int) and steps.value <= 0:
        message = f"`max_steps` = {steps.value}: the run ends after one step"
        yield steps.finding(message, "remove it to let `epochs` decide", steps.remove(safe=False))
