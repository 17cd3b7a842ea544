from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`prompts` beside `samples`.

    Why: `samples` is the newer form of `prompts`. Where both stand, only `samples` is read, even if it is empty:
    then there are no previews.
    Instead: move the prompts into `samples`, one `- prompt:` each, or remove `samples`.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/config_modules.py (SampleConfig),
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
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
          sample:
            sampler: flowmatch
            prompts:
              - a ring on slate
            samples:
              - prompt: a ring on sand
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
            samples:
              - prompt: a ring on sand
    ```
    """
    prompts, samples = plan.get("sample.prompts"), plan.get("sample.samples")
    if plan.training and prompts.written and prompts.value and samples.written and isinstance(samples.value, list):
        none = ", and it is empty: there are no previews" if not samples.value else ""
        yield prompts.finding(f"`samples` stands beside it and is read instead{none}", "keep one of the two")
