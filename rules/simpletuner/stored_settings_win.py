from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

KEYS = ("resolution", "crop", "crop_aspect", "crop_style")


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """An earlier run's dataset settings are restored over the ones written now.

    Why: the first run of a dataset `id` saves its settings beside the images, in
    `aspect_ratio_bucket_indices_<id>.json`, and sizes its images by them. A later value that differs is put back with
    no more than a line in the log unless `override_dataset_config` is set, and images that were sized before keep
    their old size.
    Instead: give the entry a new `id`, or delete that file, its metadata file and the caches.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/data_backend/factory.py line 3388

    ```files
    data/zwx/a.png
    data/zwx/a.txt: zwx ring on slate
    data/zwx/b.png
    data/zwx/b.txt: zwx ring on sand
    ```
    ```json file data/zwx/aspect_ratio_bucket_indices_zwx.json
    {"config": {"resolution": 0.262144, "resolution_type": "area", "crop": false}, "aspect_ratio_bucket_indices": {}}
    ```
    ```json file multidatabackend.json
    [
      {
        "id": "zwx", "type": "local", "instance_data_dir": "data/zwx", "caption_strategy": "textfile",
        "resolution": 1024, "resolution_type": "pixel_area"
      },
      {
        "id": "text", "type": "local", "dataset_type": "text_embeds", "default": true,
        "cache_dir": "cache/text"
      }
    ]
    ```
    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "train_batch_size": 1
    }
    ```
    ```files
    data/zwx/a.png
    data/zwx/a.txt: zwx ring on slate
    data/zwx/b.png
    data/zwx/b.txt: zwx ring on sand
    ```
    ```json file data/zwx/aspect_ratio_bucket_indices_zwx.json
    {"config": {"resolution": 1.048576, "resolution_type": "area", "crop": false}, "aspect_ratio_bucket_indices": {}}
    ```
    ```json file multidatabackend.json
    [
      {
        "id": "zwx", "type": "local", "instance_data_dir": "data/zwx", "caption_strategy": "textfile",
        "resolution": 1024, "resolution_type": "pixel_area"
      },
      {
        "id": "text", "type": "local", "dataset_type": "text_embeds", "default": true,
        "cache_dir": "cache/text"
      }
    ]
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "train_batch_size": 1
    }
    ```
    """
    if not plan.training or plan.get("override_dataset_config").value is True:
        return
    for data in plan.datasets:
        kind = data.get("resolution_type") if data.get("resolution_type").written else plan.get("resolution_type")
        for key in KEYS if data.stored else ():
            now, before = data.get(key), (data.stored or {}).get(key)
            value = now.value
            if not now.written or before is None or isinstance(value, str) != isinstance(before, str):
                continue
            if key == "resolution" and kind.value == "pixel_area" and isinstance(value, int):
                value = value * value / 1e6  # saved in megapixels
            if value != before:
                saved = _shown(key, before, kind.value)
                yield now.finding(
                    f"an earlier run of this `id` saved `{key}` {saved}: it is put back over {now.value}, "
                    "and only the log says so",
                    "give the entry a new `id`, or delete that run's `aspect_ratio_bucket_*` files and caches",
                )


def _shown(key: str, value: object, unit: object) -> str:
    if key == "resolution" and unit == "pixel_area" and isinstance(value, float):
        return f"{round((value * 1e6) ** 0.5)}"
    return str(value)
