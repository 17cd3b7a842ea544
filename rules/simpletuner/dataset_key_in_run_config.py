from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

KEYS = {
    "repeats": "`repeats` (one less than kohya's number)",
    "disable_multiline_split": "`disable_multiline_split`",
    "aspect_ratio_bucketing": "`crop: false`, which is what buckets aspect ratios,",
    "aspect_ratio_bucket_min": "`minimum_aspect_ratio`",
    "aspect_ratio_bucket_max": "`maximum_aspect_ratio`",
}


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A dataset setting in the run's config, where it is swallowed.

    Why: these names are dropped before the options are read, so that configs of a web interface load. They belong into
    the data backend file.
    Instead: write the setting into each dataset's entry.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/configuration/cli_utils.py lines 90-130
    (`_LEGACY_ARG_HANDLERS`)

    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "repeats": 10
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0
    }
    ```
    """
    for key in KEYS if plan.training else ():
        setting = plan.get(key)
        if setting.written:
            action = f"write {KEYS[key]} into each dataset's entry"
            yield setting.finding(f"`{key}` is dropped here without a message", action, setting.remove())
