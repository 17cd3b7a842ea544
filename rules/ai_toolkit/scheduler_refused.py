from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

WORKING = ("constant", "cosine", "cosine_with_restarts", "linear", "constant_with_warmup")
FALLING = ("polynomial", "step", "cosine_with_min_lr", "cosine_warmup", "linear_with_warmup", "cosine_with_warmup")


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A learning-rate schedule that can't be built.

    Why: ai-toolkit hands `total_iters` to every schedule it makes. `step` does not take it, and neither does any
    schedule of diffusers, so the run stops after the model is loaded with a list of names that includes the one it
    just refused.
    Instead: `constant`, `cosine`, or `constant_with_warmup` with `lr_scheduler_params.num_warmup_steps`.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/scheduler.py, jobs/process/BaseSDTrainProcess.py
    (`lr_scheduler_params['total_iters']`), https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          train:
            lr: 1e-4
            lr_scheduler: polynomial
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    ```yaml ai-toolkit clean
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          train:
            lr: 1e-4
            lr_scheduler: cosine
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    name = plan.get("train.lr_scheduler")
    if plan.training and isinstance(name.value, str) and name.value not in WORKING:
        yield name.finding(
            f"`{name.value}` gets a `total_iters` it does not take: the run stops after loading the model",
            "use `constant`, `cosine` or `constant_with_warmup`",
            name.write("cosine" if name.value in FALLING else "constant", safe=False),
        )
