from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

REFUSE = frozenset({
    "auraflow", "cosmos", "cosmos3", "hidream", "kolors", "ltxvideo", "pixart", "sana", "sanavideo", "sd1x", "sd3",
    "sdxl", "wan", "wan_s2v",
})  # fmt: skip


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`fp8-quanto` on a model that SimpleTuner refuses it for.

    Why: the model classes of SANA, SDXL, SD 1.x, SD3 and others raise a ValueError for this precision.
    Instead: `fp8-torchao` or an int8 precision.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/models/sana/model.py line 262, helpers/models/sdxl/model.py
    line 642 and the like

    ```json SimpleTuner flagged
    {
      "model_family": "sana", "model_flavour": "sana1.5-1.6b-1024", "model_type": "lora",
      "output_dir": "output/zwx", "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16",
      "learning_rate": 0.0001, "max_train_steps": 2000, "num_train_epochs": 0,
      "base_model_precision": "fp8-quanto"
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "sana", "model_flavour": "sana1.5-1.6b-1024", "model_type": "lora",
      "output_dir": "output/zwx", "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16",
      "learning_rate": 0.0001, "max_train_steps": 2000, "num_train_epochs": 0,
      "base_model_precision": "int8-quanto"
    }
    ```
    """
    precision, family = plan.get("base_model_precision"), plan.get("model_family").value
    if plan.training and precision.value == "fp8-quanto" and family in REFUSE:
        yield precision.finding(
            f"`{family}` refuses `fp8-quanto` with a ValueError",
            "use `fp8-torchao` or an int8 precision",
            precision.write("fp8-torchao", safe=False),
        )
