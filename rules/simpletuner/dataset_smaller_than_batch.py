from collections.abc import Iterator

from lora_doctor.derived import effective_batch, samples_per_epoch
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """One of several datasets has fewer images than a step takes.

    Why: each dataset is cut into buckets of its own, and a bucket needs batch x accumulation x devices images, repeats
    counted; a set that falls short stops the run with a ValueError while buckets are made, however large the others
    are.
    Instead: more `repeats` for that set, a smaller batch or accumulation, or `allow_dataset_oversubscription`.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/metadata/backends/base.py lines 775-860; bghira/SimpleTuner#548
    and #1869, https://github.com/bghira/SimpleTuner/pull/1869

    ```files
    data/zwx/a.png
    data/zwx/a.txt: zwx ring
    data/zwx/b.png
    data/zwx/b.txt: zwx ring
    ```
    ```json file multidatabackend.json
    [
      {
        "id": "zwx", "type": "local", "instance_data_dir": "data/zwx", "caption_strategy": "textfile",
        "resolution": 1024, "repeats": 20
      },
      {
        "id": "zwx-512", "type": "local", "instance_data_dir": "data/zwx", "caption_strategy": "textfile",
        "resolution": 512
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
      "max_train_steps": 2000, "num_train_epochs": 0, "train_batch_size": 4
    }
    ```
    ```files
    data/zwx/a.png
    data/zwx/a.txt: zwx ring
    data/zwx/b.png
    data/zwx/b.txt: zwx ring
    ```
    ```json file multidatabackend.json
    [
      {
        "id": "zwx", "type": "local", "instance_data_dir": "data/zwx", "caption_strategy": "textfile",
        "resolution": 1024, "repeats": 20
      },
      {
        "id": "zwx-512", "type": "local", "instance_data_dir": "data/zwx", "caption_strategy": "textfile",
        "resolution": 512, "repeats": 1
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
      "max_train_steps": 2000, "num_train_epochs": 0, "train_batch_size": 4
    }
    ```
    """
    whole, needed = samples_per_epoch(plan), effective_batch(plan)
    if not plan.training or whole is None or needed is None or whole < needed:
        return  # all sets together are too few: `batch-larger-than-dataset` says so
    shared = plan.batch_size.value or 1
    for data in plan.datasets:
        batch = needed // shared * (data.batch_size.value or shared)
        if data.listing is None or not data.listing.images or data.repeats.value is None:
            continue
        count = len(data.listing.images) * data.repeats.value
        if count < batch:
            yield data.folder.finding(
                f"{len(data.listing.images)} images x {data.repeats.value:g} make {count:g}, and a step takes {batch}: "
                "ValueError while buckets are made",
                f"set `repeats` to {-(-batch // len(data.listing.images)) - 1} or more",
                data.get("repeats").write(-(-batch // len(data.listing.images)) - 1, safe=False),
            )
