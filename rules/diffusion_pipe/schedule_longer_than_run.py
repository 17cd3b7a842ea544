from collections.abc import Iterator
from math import ceil, cos, pi

from lora_doctor.derived import effective_batch, samples_per_epoch
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

LAVISH = 500  # epochs nobody trains to the end: the example file sets 1000 "because I don't know how long"


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The schedule is laid out for more epochs than the run will have.

    Why: `lr_scheduler` linear and cosine stretch over `epochs` x steps per epoch and know nothing of `max_steps`.
    With the example's `epochs = 1000`, a run that is stopped early keeps nearly its full rate to the end: the decay
    that was asked for never happens.
    Instead: set `epochs` to what will really be trained.
    Sources: tdrussell/diffusion-pipe@8f83dbf train.py lines 849-857, examples/main_example.toml,
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 1000
    save_every_n_epochs = 1
    lr_scheduler = "cosine"
    max_steps = 2000
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    ```toml file dataset.toml
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "images"
    ```
    ```files
    images/01.png
    images/02.png
    ```
    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 1000
    save_every_n_epochs = 1
    lr_scheduler = "linear"
    max_steps = 200
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    ```toml file dataset.toml
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "images"
    ```
    ```files
    images/01.png
    images/02.png
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 100
    save_every_n_epochs = 1
    lr_scheduler = "linear"
    max_steps = 200
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    """
    scheduler, epochs, limit = plan.optimizer.scheduler, plan.epochs, plan.steps.value
    if scheduler.value not in ("linear", "cosine") or not isinstance(epochs.value, int) or not isinstance(limit, int):
        return
    samples, batch = samples_per_epoch(plan), effective_batch(plan)
    steps = epochs.value * samples / batch if samples and batch else None
    if steps and limit < 0.9 * steps:
        yield scheduler.finding(
            f"the {scheduler.value} schedule spans {steps:,.0f} steps ({epochs.value} epochs), the run ends after "
            f"{limit:,}: it ends with {share(scheduler.value, limit / steps):.0%} of the rate",
            f"set `epochs` to {max(1, ceil(limit * batch / samples))}" if samples and batch else "",
        )
    elif steps is None and epochs.value >= LAVISH:
        yield scheduler.finding(
            f"the {scheduler.value} schedule spans all {epochs.value} epochs; where `max_steps` = {limit} ends the run "
            "earlier, the rate hardly falls",
            "set `epochs` to what will really be trained",
        )


def share(schedule: str, progress: float) -> float:
    """Share of the rate that is left at `progress` of the schedule."""
    return 1 - progress if schedule == "linear" else (1 + cos(pi * progress)) / 2
