from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

INSTEAD = {
    "adam_weight_decay": "write `weight_decay={0}` into `optimizer_config`",
    "adam_beta1": "set `optimizer_beta1` and `optimizer_beta2`",
    "adam_beta2": "set `optimizer_beta1` and `optimizer_beta2`",
    "adam_epsilon": "write `eps={0}` into `optimizer_config`",
}


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Adam settings that only DeepSpeed's optimiser reads.

    Why: `adam_weight_decay`, `adam_beta1`, `adam_beta2` and `adam_epsilon` are handed to DeepSpeed's optimiser alone.
    Every other takes the defaults of SimpleTuner's optimiser table and what `optimizer_config` sets.
    Instead: `"optimizer_config": "weight_decay=0.1"`; betas with `optimizer_beta1` and `optimizer_beta2`.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/training/optimizer_param.py lines 885-940 and 1186,
    documentation/OPTIONS.md

    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "adam_weight_decay": 0.1
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "optimizer_config": "weight_decay=0.1"
    }
    ```
    """
    if not plan.training or plan.get("deepspeed_config").value:
        return
    for key, instead in INSTEAD.items():
        setting = plan.get(key)
        if setting.written:
            yield setting.finding(
                f"only an optimiser run by DeepSpeed reads `{key}`: {plan.optimizer.name.value} keeps its own default",
                instead.format(setting.value),
            )
