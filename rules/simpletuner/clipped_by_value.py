from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`max_grad_norm` clips each value, not the norm.

    Why: the default `grad_clip_method` is `value`: every single gradient is limited to `max_grad_norm`, which hardly
    ever happens to one. A limit taken from another trainer, where it bounds the norm, does nothing here.
    Instead: `"grad_clip_method": "norm"`.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/training/trainer.py line 7209; field default of
    `grad_clip_method`

    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "max_grad_norm": 1.0
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "max_grad_norm": 1.0, "grad_clip_method": "norm"
    }
    ```
    """
    norm, method = plan.get("max_grad_norm"), plan.get("grad_clip_method")
    if plan.training and norm.written and isinstance(norm.value, float) and norm.value and not method.written:
        yield norm.finding(
            f"each gradient is clipped to {norm.value:g}, not their norm: that hardly ever happens",
            "set `grad_clip_method` to `norm`",
            method.write("norm", safe=False),
        )
