import re
from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

CHECKPOINT = re.compile(r"(?:_LoRA)?_(\d{9})\.safetensors")


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The run's output folder holds another run's checkpoints.

    Why: ai-toolkit looks for files of this job's name in `training_folder` and resumes the newest without asking.
    If it had reached `steps` already, nothing is trained; the last file of a run carries no step in its name, so
    the one that lies there is overwritten.
    Instead: another `config.name` for a new run; more `steps` to go on with the old one.
    Sources: ostris/ai-toolkit@27a03a91 jobs/process/BaseSDTrainProcess.py (`get_latest_save_path`, train loop,
    `save`); https://github.com/ostris/ai-toolkit/issues/981

    ```files
    output/zwx/zwx_000002000.safetensors
    ```
    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          train:
            steps: 2000
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    ```files
    output/zwx/zwx.safetensors
    ```
    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          train:
            steps: 2000
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    ```files
    output/zwq/zwq_000002000.safetensors
    ```
    ```yaml ai-toolkit clean
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          train:
            steps: 2000
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    saving, steps = plan.saving, plan.get("train.steps").value
    name = str(saving.name.value)
    reached = [
        int(match[1]) for match in (CHECKPOINT.fullmatch(file[len(name) :]) for file in saving.existing) if match
    ]
    final = f"{name}.safetensors" in saving.existing
    if not plan.training or plan.get("train.start_step").written or not (reached or final):
        return
    where = f"`{saving.folder.value}/{name}`"
    if reached and isinstance(steps, int) and max(reached) >= steps:
        yield saving.folder.finding(
            f"step {max(reached):,} of a run of this name lies in {where}: it is resumed, and with `steps: {steps}` "
            "nothing is trained",
            "give the job another name, or raise `steps`",
        )._replace(level="error")
    elif final:
        yield saving.folder.finding(
            f"a finished `{name}.safetensors` lies in {where}: it is resumed at its last step, and overwritten "
            "at the end",
            "give the job another name, or keep a copy",
        )
    else:
        yield saving.folder.finding(
            f"step {max(reached):,} of a run of this name lies in {where} and is resumed", "give a new run another name"
        )._replace(level="note")
