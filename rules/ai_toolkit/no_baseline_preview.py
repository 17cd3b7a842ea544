from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """No preview of the untrained model.

    Why: `skip_first_sample` leaves out the images at step 0. Without them nobody can tell what the LoRA changed
    from what the model drew anyway.
    Instead: leave it out; it costs one round of previews.
    Sources: ostris/ai-toolkit@27a03a91 jobs/process/BaseSDTrainProcess.py ("Generating baseline samples before
    training"), https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
            skip_first_sample: true
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
          sample:
            sampler: flowmatch
            prompts:
              - a ring on slate
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
          sample:
            sampler: flowmatch
            prompts:
              - a ring on slate
    ```
    """
    skip = plan.get("train.skip_first_sample")
    other = plan.config.has("first_sample") or plan.get("train.force_first_sample").value is True
    if plan.training and skip.value is True and plan.validation.prompts.value and not other:
        yield skip.finding(
            "no preview is made before training: there is nothing to compare with", "remove it", skip.remove(safe=False)
        )
