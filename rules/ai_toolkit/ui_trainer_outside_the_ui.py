from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The web interface's own process type.

    Why: `ui_trainer` looks for the interface's database and for `AITK_JOB_ID`, and stops without them: such a file
    can't be run with `python run.py`. Newer interfaces write `diffusion_trainer`, which works in both.
    Instead: `type: diffusion_trainer`.
    Sources: ostris/ai-toolkit@27a03a91 extensions_built_in/sd_trainer/UITrainer.py, DiffusionTrainer.py,
    ui/src/app/jobs/new/jobConfig.ts, https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: ui_trainer
          training_folder: output
          train:
            lr: 1e-4
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
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    kind = plan.get("type")
    if plan.training and kind.value == "ui_trainer":
        yield kind.finding(
            "this type runs inside the web interface only",
            "call it `diffusion_trainer`, which runs in both",
            kind.write("diffusion_trainer"),
        )
