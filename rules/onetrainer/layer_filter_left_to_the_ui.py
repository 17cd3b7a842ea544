from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A layer preset without its filter.

    Why: `layer_filter_preset` is a menu of the user interface, which writes the names into `layer_filter`. Training
    reads `layer_filter` alone, and an empty one means every layer.
    Instead: write the names of the layers into `layer_filter`.
    Sources: Nerogar/OneTrainer@23df3832 modules/util/ModuleFilter.py, modules/util/ui/ctk_components.py lines 340-355,
    https://github.com/Nerogar/OneTrainer

    ```json OneTrainer flagged
    {
      "__version": 11,
      "training_method": "LORA",
      "model_type": "FLUX_2",
      "base_model_name": "black-forest-labs/FLUX.2-klein-base-9B",
      "output_model_format": "DIFFUSERS_LORA",
      "learning_rate": 1e-4,
      "lora_rank": 16,
      "lora_alpha": 16,
      "epochs": 60,
      "layer_filter_preset": "blocks"
    }
    ```
    ```json OneTrainer clean
    {
      "__version": 11,
      "training_method": "LORA",
      "model_type": "FLUX_2",
      "base_model_name": "black-forest-labs/FLUX.2-klein-base-9B",
      "output_model_format": "DIFFUSERS_LORA",
      "learning_rate": 1e-4,
      "lora_rank": 16,
      "lora_alpha": 16,
      "epochs": 60,
      "layer_filter_preset": "blocks",
      "layer_filter": "transformer_block"
    }
    ```
    """
    preset, names = plan.get("layer_filter_preset"), plan.get("layer_filter")
    if plan.training and preset.written and preset.value not in ("full", "custom") and not names.value:
        yield preset.finding(
            f"`layer_filter_preset` {preset.value} without `layer_filter`: started from a command line, all layers are "
            "trained",
            "set `layer_filter`",
        )
