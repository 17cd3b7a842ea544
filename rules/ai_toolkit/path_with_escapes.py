from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

PATHS = (
    "folder_path",
    "dataset_path",
    "control_path",
    "control_path_1",
    "control_path_2",
    "control_path_3",
    "mask_path",
    "training_folder",
    "name_or_path",
    "pretrained_lora_path",
    "vae_path",
    "image_path",
    "log_dir",
)
ESCAPES = {"\t": "/t", "\n": "/n", "\r": "/r", "\b": "/b", "\f": "/f", "\v": "/v", "\a": "/a", "\0": "/0"}


@rule(level="error", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Backslashes of a Windows path read as escapes.

    Why: between double quotes YAML and JSON read `\t` as a tab and `\n` as a line break: `"C:\train\new"` is no
    path any more, and the folder is not found.
    Instead: single quotes, doubled backslashes, or forward slashes.
    Sources: ostris/ai-toolkit@27a03a91 config/examples/train_lora_flux_24gb.yaml ("on windows, escape back
    slashes"), https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          datasets:
            - folder_path: "C:\train\new"
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
            - folder_path: 'C:\train\new'
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    for key, setting in plan.config.written():
        value = setting.value
        if key.rpartition(".")[2] in PATHS and isinstance(value, str) and any(mark in value for mark in ESCAPES):
            meant = "".join(ESCAPES.get(mark, mark) for mark in value)
            yield setting.finding(
                "a backslash in this path was read as an escape, so it holds a control character",
                f"write it with forward slashes: {meant}",
                setting.write(meant),
            )
