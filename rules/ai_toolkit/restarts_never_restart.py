from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The schedule `cosine_with_restarts` has no restart.

    Why: the length of its first cycle is overwritten with `steps`, so the run is one plain cosine whatever `T_0`
    says.
    Instead: `cosine`, which is what happens.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/scheduler.py, jobs/process/BaseSDTrainProcess.py,
    https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          train:
            lr: 1e-4
            lr_scheduler: cosine_with_restarts
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
    if plan.training and name.value == "cosine_with_restarts":
        yield name.finding(
            "the first cycle is as long as the run: it never restarts",
            "use `cosine`, which is the same",
            name.write("cosine"),
        )
