from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`[trigger]` without a trigger word.

    Why: `[trigger]` is replaced by `trigger_word` in captions and prompts. Without one it is cut out of the
    captions and stays as it is in the sample prompts, where models paint it as text.
    Instead: set `trigger_word` on the process.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/prompt_utils.py (`inject_trigger_into_prompt`),
    jobs/process/BaseSDTrainProcess.py (`sample`); https://github.com/ostris/ai-toolkit/issues/54

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
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
          sample:
            sampler: flowmatch
            prompts:
              - "[trigger], a ring on slate"
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
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
          sample:
            sampler: flowmatch
            prompts:
              - "[trigger], a ring on slate"
    ```
    """
    others = any(isinstance(plan.get(key).value, dict) for key in ("embedding", "adapter"))
    if not plan.training or plan.trigger.value or others:
        return
    prompts = plan.validation.prompts
    count = sum("[trigger]" in text for text in prompts.value or [])
    if count:
        yield prompts.finding(
            f"`[trigger]` stands in {count} sample prompt{'s' * (count > 1)} and no `trigger_word` is set: it is "
            "painted as text",
            "set `trigger_word`",
        )
    for data in plan.datasets:
        caption = data.get("default_caption")
        if isinstance(caption.value, str) and "[trigger]" in caption.value and not data.trigger.value:
            yield caption.finding("`[trigger]` is cut out, because no `trigger_word` is set", "set `trigger_word`")
