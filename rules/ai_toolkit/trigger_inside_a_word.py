import re
from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The trigger is part of an ordinary word.

    Why: the trigger is added to a caption only if it does not occur there, and occurrence is a plain text search:
    `art` is found in `party`. Such captions are trained without the trigger.
    Instead: a trigger no word contains, or write it into every caption.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/prompt_utils.py (`output_prompt.count`),
    https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          trigger_word: art
          datasets:
            - folder_path: data
              default_caption: a party in a garden
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
          trigger_word: zwx
          datasets:
            - folder_path: data
              default_caption: a party in a garden
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    for data in plan.datasets:
        trigger, caption = data.trigger.value, data.get("default_caption")
        text = caption.value
        if not plan.training or not isinstance(trigger, str) or not isinstance(text, str) or trigger not in text:
            continue
        words = [word for word in re.findall(r"\w+", text) if trigger in word]
        if words and trigger not in words and "[trigger]" not in text:
            yield caption.finding(
                f"the trigger `{trigger}` is found inside `{words[0]}`, so it is not added to this caption",
                "write it into the caption, or choose another trigger",
            )
