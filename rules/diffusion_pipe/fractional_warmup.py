from collections.abc import Iterator

from lora_doctor.derived import total_steps
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Warm-up given as a share; diffusion-pipe counts steps.

    Why: `warmup_steps` becomes the start factor 1/warmup_steps of torch's LinearLR, which refuses a factor above 1:
    any value between 0 and 1 stops the run with a ValueError after caching and loading.
    Instead: give a number of steps.
    Sources: tdrussell/diffusion-pipe@8f83dbf train.py lines 858-862, https://github.com/tdrussell/diffusion-pipe;
    torch.optim.lr_scheduler.LinearLR,
    https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.LinearLR.html

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    warmup_steps = 0.1
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
    warmup_steps = 100
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    """
    warmup = plan.get("warmup_steps")
    if isinstance(warmup.value, float) and 0 < warmup.value < 1:
        steps = total_steps(plan)
        share = max(1, round(warmup.value * steps)) if steps else None
        yield warmup.finding(
            f"`warmup_steps` = {warmup.value:g} is not a number of steps: ValueError after caching and loading",
            f"set it to {share}" if share else "give the number of steps",
            warmup.write(share, safe=False) if share else None,
        )
