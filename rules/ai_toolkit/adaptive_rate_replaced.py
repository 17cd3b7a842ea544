from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A small learning rate with Prodigy or D-Adaptation becomes 1.0.

    Why: these optimisers find the rate themselves and take `lr` as a factor of it. ai-toolkit replaces anything
    below 0.1 by 1.0 and says so in one line of its log, so changing `lr` between 1e-5 and 0.09 changes nothing.
    Instead: write `lr: 1.0`; steer with `optimizer_params.d_coef`.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/optimizer.py, https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          train:
            lr: 1e-4
            optimizer: prodigy
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
            lr: 1.0
            optimizer: prodigy
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    rate, name = plan.get("train.lr"), str(plan.get("train.optimizer").value).lower()
    small = isinstance(rate.value, (int, float)) and 0 < rate.value < 0.1
    if plan.training and rate.written and small and name.startswith(("prodigy", "dadaptation")):
        yield rate.finding(
            f"a rate of {rate.value:g} with {name} is replaced by 1.0",
            "write 1.0, which is what is used",
            rate.write(1.0),
        )
