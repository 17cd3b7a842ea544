import re
from collections.abc import Iterator

from lora_doctor.models.families import size_of
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

NUMBERED = re.compile(r"_blocks\.(\d+)$")


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A block's number that other blocks begin with.

    Why: `only_if_contains` and `ignore_if_contains` are searched for as text inside the module names:
    `single_blocks.1` is also in `single_blocks.10` to `single_blocks.19`.
    Instead: end it with a dot: `single_blocks.1.`
    Sources: ostris/ai-toolkit@27a03a91 toolkit/lora_special.py (`word in clean_name`),
    https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          network:
            type: lora
            linear: 32
            network_kwargs:
              only_if_contains:
                - single_blocks.1
                - single_blocks.7.
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
          network:
            type: lora
            linear: 32
            network_kwargs:
              only_if_contains:
                - single_blocks.1.
                - single_blocks.7
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    size = size_of(plan.model.family, plan.model.size)
    if not plan.training or size is None or len(size.blocks) != 2:
        return
    kinds = (
        ("transformer_blocks", "single_transformer_blocks")
        if plan.model.family == "flux1"
        else ("double_blocks", "single_blocks")
    )
    blocks = [(kind, i) for kind, count in zip(kinds, size.blocks) for i in range(count)]
    for setting in (plan.network.targets, plan.network.excluded):
        for word in setting.value or []:
            written = NUMBERED.search(word)
            hits = [(kind, i) for kind, i in blocks if word in f"transformer.{kind}.{i}."]
            others = [f"{kind}.{i}" for kind, i in hits if written and i != int(written[1])]
            if others:
                names = ", ".join(f"`{name}`" for name in others[:3]) + (", ..." if len(others) > 3 else "")
                yield setting.finding(f"`{word}` also matches {names}", f"end it with a dot: `{word}.`")
