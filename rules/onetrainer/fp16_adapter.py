from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="reported")
def check(plan: Plan) -> Iterator[Finding]:
    """Adapter weights in fp16.

    Why: gradients of a LoRA fall below fp16's smallest numbers. They are scaled up only when the trained weights are
    fp32; with fp16 weights the scaling is off and training shows no result.
    Instead: `lora_weight_dtype` FLOAT_32; the adapter is small.
    Sources: Nerogar/OneTrainer@23df3832 modules/util/dtype_util.py `enable_grad_scaling`; Nerogar/OneTrainer#178,
    https://github.com/Nerogar/OneTrainer/issues/178

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
      "lora_weight_dtype": "FLOAT_16"
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
      "lora_weight_dtype": "FLOAT_32"
    }
    ```
    """
    dtype = plan.get("lora_weight_dtype")
    if plan.training and plan.get("training_method").value == "LORA" and dtype.value == "FLOAT_16":
        yield dtype.finding(
            "`lora_weight_dtype` FLOAT_16: gradients are not scaled and vanish",
            "set it to FLOAT_32",
            dtype.write("FLOAT_32", safe=False),
        )
