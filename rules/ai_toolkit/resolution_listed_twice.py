from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The same resolution is listed twice.

    Why: a list of resolutions is not width and height: the folder is loaded once for each entry. `[1024, 1024]`
    loads it twice at 1024, which caches and shows every image twice per epoch and adds nothing.
    Instead: `resolution: 1024`; buckets keep the aspect ratio of the images.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/config_modules.py (`preprocess_dataset_raw_config`);
    stephen37/workshops lora_training (filmlut_r32_s500_klein.yaml has it), https://github.com/stephen37/workshops

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          datasets:
            - folder_path: data
              resolution: [1024, 1024]
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
              resolution: [512, 768, 1024]
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    for data in plan.datasets:
        edges = data.resolution.value or []
        unique = sorted(set(edges))
        if plan.training and len(unique) < len(edges):
            yield data.resolution.finding(
                f"{edges} is no width and height: the folder is loaded {len(edges)} times, once for each entry",
                f"write {unique[0] if len(unique) == 1 else unique}",
                data.resolution.write(unique[0] if len(unique) == 1 else unique, safe=False),
            )
