from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A dropped caption still holds the trigger.

    Why: caption dropout empties the caption, and then the trigger word is put in front of it as of every other: the
    image is trained with the trigger alone, never without a prompt. That ties the whole image to the word, and
    leaves guidance's unconditional half untrained.
    Instead: fine for a subject; for unconditional steps write the trigger into the captions and leave
    `trigger_word` out.
    Sources: ostris/ai-toolkit@27a03a91 jobs/process/BaseSDTrainProcess.py (`process_general_training_batch`),
    toolkit/dataloader_mixins.py (`get_dropout_caption`), https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          trigger_word: zwx
          datasets:
            - folder_path: data
              caption_dropout_rate: 0.1
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
          datasets:
            - folder_path: data
              caption_dropout_rate: 0.1
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    trigger = plan.trigger.value
    for data in plan.datasets:
        rate = data.caption_dropout
        on = isinstance(rate.value, (int, float)) and rate.value > 0
        read = data.caption_source.value in ("files", "json") and data.regularisation.value is not True
        if plan.training and trigger and on and rate.written and read:
            yield rate.finding(f"a dropped caption is trained as `{trigger}` alone, never as an empty prompt")
