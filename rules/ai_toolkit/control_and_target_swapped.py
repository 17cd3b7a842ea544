import re
from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

GIVEN = {"control", "controls", "condition", "conditions", "source", "sources", "src", "input", "inputs", "before"}
MADE = {"target", "targets", "output", "outputs", "result", "results", "after", "edited", "gt"}


@rule(level="warning", evidence="reported")
def check(plan: Plan) -> Iterator[Finding]:
    """Control and target folders look swapped.

    Why: `folder_path` holds what the model shall make, `control_path` what it is given. The other way round
    everything runs, and the LoRA learns to undo the edit. Some older versions of ai-toolkit swapped them
    themselves.
    Instead: swap the two; ignore this if the folders are only named so.
    Sources: https://github.com/ostris/ai-toolkit/issues/536, https://github.com/ostris/ai-toolkit/pull/629

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          datasets:
            - folder_path: pairs/before
              control_path: pairs/after
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
            - folder_path: pairs/after
              control_path: pairs/before
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    for data in plan.datasets if plan.training else ():
        given, made = _words(data.folder.value), _words(data.control.value)
        if given & GIVEN and made & MADE and not given & MADE and not made & GIVEN:
            yield data.control.finding(
                f"the control images come from `{data.control.value}` and the targets from `{data.folder.value}`: the "
                "LoRA would learn the edit backwards",
                "swap the two folders",
            )


def _words(path: object) -> set[str]:
    """The words of a path's last part."""
    last = path.rstrip("/\\").replace("\\", "/").rpartition("/")[2] if isinstance(path, str) else ""
    return set(re.split(r"[^a-z]+", last.lower()))
