from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    """A config without `__version`, which is then read as the oldest format.

    Why: `train.py --config-path` migrates what it reads, and without a version it begins at 0: today's keys don't
    survive that, a KeyError for `weight_dtype` or a TypeError for `optimizer`. All 60 presets that OneTrainer ships
    fail so.
    Instead: pass a preset as `--preset-path` beside the config (nothing is migrated then), or add `"__version": 11`.
    Sources: Nerogar/OneTrainer@23df3832 scripts/train.py lines 22-27, modules/util/config/TrainConfig.py
    `__migration_0`, `__migration_9` (reproduced on every preset), https://github.com/Nerogar/OneTrainer

    ```json file zwx.json
    {
      "training_method": "LORA",
      "model_type": "FLUX_2",
      "base_model_name": "black-forest-labs/FLUX.2-klein-base-9B",
      "output_model_format": "DIFFUSERS_LORA",
      "learning_rate": 1e-4,
      "lora_rank": 16,
      "lora_alpha": 16,
      "epochs": 60
    }
    ```
    ```shell OneTrainer flagged
    python scripts/train.py --config-path zwx.json
    ```
    ```json file zwx.json
    {
      "__version": 11,
      "training_method": "LORA",
      "model_type": "FLUX_2",
      "base_model_name": "black-forest-labs/FLUX.2-klein-base-9B",
      "output_model_format": "DIFFUSERS_LORA",
      "learning_rate": 1e-4,
      "lora_rank": 16,
      "lora_alpha": 16,
      "epochs": 60
    }
    ```
    ```shell OneTrainer clean
    python scripts/train.py --config-path zwx.json
    ```
    """
    if plan.launch is None or plan.launch.has("preset-path") or plan.config.has("__version"):
        return
    if not plan.config.has("weight_dtype"):
        model = plan.get("model_type")
        yield model.finding(
            "no `__version`: OneTrainer takes this for a config of 2023 and stops while migrating it",
            'add `"__version": 11`, or pass it as `--preset-path`',
            plan.get("__version").write(11),
        )
