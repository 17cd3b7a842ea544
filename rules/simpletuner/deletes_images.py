from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

DELETES = {
    "delete_unwanted_images": "miss a size or aspect bound",
    "delete_problematic_images": "fail to load or encode",
    "delete_nsfw_images": "a classifier rejects",
}


@rule(level="warning", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """SimpleTuner is told to delete images from the dataset.

    Why: `delete_unwanted_images` deletes every image that misses a size or aspect bound, `delete_problematic_images`
    every one that fails to load or encode, `delete_nsfw_images` every one a classifier rejects: for good, from the
    folder itself. A bound in the wrong unit, or a full disk, can empty it.
    Instead: leave them off; such images are left out of training anyway. Otherwise work on a copy.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) documentation/DATALOADER.md, `delete_unwanted_images`;
    bghira/SimpleTuner#105 and #484, https://github.com/bghira/SimpleTuner/issues/484

    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "delete_problematic_images": true
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "delete_problematic_images": false
    }
    ```
    """
    owners = [plan.get] if plan.training else []
    for get in [*owners, *(data.get for data in plan.datasets)]:
        for key, which in DELETES.items():
            setting = get(key)
            if setting.written and setting.value is True:
                yield setting.finding(
                    f"images that {which} are deleted from the dataset's folder, for good",
                    "leave it off: they are left out of training anyway",
                    setting.write(False, safe=False),
                )
