import os
from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Control images or masks inside the dataset's folder.

    Why: a dataset's folder is read with all its sub-folders; only hidden ones and `_controls` are left out. Control
    images or masks in there are trained as images of their own, with an empty caption.
    Instead: put them beside the folder, not inside.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/data_loader.py (`os.walk` in AiToolkitDataset),
    https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          datasets:
            - folder_path: data
              control_path: data/control
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
            - folder_path: data/after
              control_path: data/before
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    for data in plan.datasets if plan.training else ():
        for key in ("control_path", "control_path_1", "control_path_2", "control_path_3", "mask_path"):
            setting = data.get(key)
            for path in setting.value if isinstance(setting.value, list) else [setting.value]:
                if isinstance(path, str) and isinstance(data.folder.value, str) and _inside(path, data.folder.value):
                    what = "masks" if key == "mask_path" else "control images"
                    yield setting.finding(
                        f"`{path}` lies inside `{data.folder.value}`, which is read with its sub-folders: the {what} "
                        "are trained as images",
                        "move it out of the folder",
                    )


def _inside(path: str, folder: str) -> bool:
    """Whether `path` is a folder below `folder` that the walk enters."""
    inner, outer = os.path.normpath(path).replace("\\", "/"), os.path.normpath(folder).replace("\\", "/")
    if not path.strip() or not folder.strip() or not inner.startswith(outer + "/"):
        return False
    below = inner[len(outer) + 1 :].split("/")
    return not any(part.startswith(".") for part in below) and below[-1] != "_controls"
