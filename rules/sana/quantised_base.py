from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

QUANTISED = ("fp8", "int8", "int4", "nf4", "int2", "fp4")


@rule(level="warning", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """SANA's weights are quantised while training.

    Why: SANA has little headroom: its first weights crashed outside fp16, and SimpleTuner warns that quantisation
    is more sensitive here and that NaN losses appear without a known cause. The model has 0.6 to 4.8 billion
    parameters, so there is little memory to win.
    Instead: keep the transformer in bf16.
    Sources: bghira/SimpleTuner documentation/quickstart/SANA.md (hardware notes; "Quantisation: not tested
    thoroughly")

    ```json SimpleTuner flagged
    {
      "model_family": "sana",
      "model_flavour": "sana1.0-1.6b-1024",
      "model_type": "lora",
      "lora_type": "lycoris",
      "output_dir": "out",
      "optimizer": "adamw_bf16",
      "data_backend_config": "multidatabackend.json",
      "learning_rate": 1e-4,
      "max_train_steps": 2000,
      "num_train_epochs": 0,
      "base_model_precision": "int4-quanto"
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "sana",
      "model_flavour": "sana1.0-1.6b-1024",
      "model_type": "lora",
      "lora_type": "lycoris",
      "output_dir": "out",
      "optimizer": "adamw_bf16",
      "data_backend_config": "multidatabackend.json",
      "learning_rate": 1e-4,
      "max_train_steps": 2000,
      "num_train_epochs": 0
    }
    ```
    """
    base = plan.precision.base
    if plan.training and base.written and base.value in QUANTISED:
        yield base.finding(
            f"SANA's base model in {base.value}: reported to be sensitive to quantisation, up to NaN losses",
            "keep it in bf16",
        )
