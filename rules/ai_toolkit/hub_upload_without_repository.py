from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """An upload without a repository's name.

    Why: with `push_to_hub` the folder is uploaded after the last step, to `hf_repo_id`. Without one the upload
    fails when all is done: the files are on disk, but a machine that is deleted after the run takes them along.
    Instead: set `hf_repo_id: you/name`.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/config_modules.py (SaveConfig), jobs/process/BaseSDTrainProcess.py
    (`push_to_hub`), https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          save:
            save_every: 250
            push_to_hub: true
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
          save:
            save_every: 250
            push_to_hub: true
            hf_repo_id: someone/zwx
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    push = plan.get("save.push_to_hub")
    if plan.training and push.value is True and not plan.get("save.hf_repo_id").value:
        yield push.finding("no `hf_repo_id` is set: the upload fails after the last step", "set `hf_repo_id`")
