from collections.abc import Iterator

from lora_doctor.models.families import FAMILIES
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reported")
def check(plan: Plan) -> Iterator[Finding]:
    """The model file is another model than the config says.

    Why: an SD 1.5 checkpoint in an SDXL script, FLUX.1 under a FLUX.2 architecture or Klein 4B declared as 9B ends in
    a size mismatch when the weights are loaded.
    Instead: change the file, or the architecture, script or checkbox that declares it.
    Sources: kohya-ss/sd-scripts#761, https://github.com/kohya-ss/sd-scripts/issues/761; bmaltais/kohya_ss#2855,
    https://github.com/bmaltais/kohya_ss/issues/2855

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    family = "flux2-klein-4b"
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    family = "flux2-klein-9b"
    ```
    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: sd_trainer
          model:
            name_or_path: stabilityai/stable-diffusion-xl-base-1.0
    ```
    ```yaml ai-toolkit clean
    job: extension
    config:
      name: zwx
      process:
        - type: sd_trainer
          model:
            name_or_path: stabilityai/stable-diffusion-xl-base-1.0
            is_xl: true
    ```
    """
    declared, found = plan.model.declared, plan.model.found
    named = plan.model.setting.written and found.certainty != "ambiguous"
    if not plan.training or not named or not declared.family or not found.family:
        return
    other_family = declared.family != found.family
    other_size = not other_family and declared.size and found.size and declared.size != found.size
    if (other_family or other_size) and {declared.family, found.family} <= FAMILIES.keys():
        silent = declared.evidence == "by default"
        says = f"{plan.trainer} takes {{}} where nothing is declared" if silent else "the config declares {}"
        yield plan.model.setting.finding(
            f"{says.format(_name(declared.family, declared.size))}, the model is {_name(found.family, found.size)}"
            + (f" ({found.evidence})" if len(found.evidence) < 120 else ""),
            "set `model.arch`" if silent else "change one of them",
        )


def _name(family: str, size: str | None) -> str:
    return f"{FAMILIES[family].title} {size}" if size else FAMILIES[family].title
