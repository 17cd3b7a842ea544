from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Output preservation without a class.

    Why: with `diff_output_preservation` the trigger is replaced by `diff_output_preservation_class` for the prompt
    whose output is kept. The class is empty unless set: `a photo of zwx` is kept as `a photo of `, not as `a photo
    of a person`.
    Instead: name the class: `person`, `dog`, `ring`.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/config_modules.py (TrainConfig),
    extensions_built_in/sd_trainer/SDTrainer.py (`replace_trigger_with_class`), https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          trigger_word: zwx
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
            diff_output_preservation: true
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
          trigger_word: zwx
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
            diff_output_preservation: true
            diff_output_preservation_class: person
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    switch, word = plan.get("train.diff_output_preservation"), plan.get("train.diff_output_preservation_class")
    if plan.training and switch.value is True and not word.value:
        trigger = plan.trigger.value or "the trigger"
        yield switch.finding(
            f"no class is set: `{trigger}` is replaced by nothing", "set `diff_output_preservation_class`"
        )
