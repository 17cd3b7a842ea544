from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

KEYS = ("lora_rank", "lora_alpha", "lora_dropout", "use_dora", "peft_lora_target_modules")


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """LoRA settings that the LyCORIS file overrides.

    Why: with `lora_type: lycoris` rank, alpha and dropout come from the LyCORIS file; `lora_rank`, `lora_alpha`,
    `lora_dropout`, `use_dora` and the PEFT targets of the run are not read.
    Instead: set `linear_dim` and `linear_alpha` there, and remove these.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/training/trainer.py lines 3390-3500

    ```json file lycoris_config.json
    {
      "algo": "lokr", "multiplier": 1.0, "full_matrix": true, "linear_dim": 10000, "linear_alpha": 1,
      "factor": 4,
      "apply_preset": {"target_module": ["Flux2Attention", "Flux2FeedForward", "Flux2ParallelSelfAttention"]}
    }
    ```
    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "lora_type": "lycoris",
      "lycoris_config": "lycoris_config.json", "lora_rank": 64
    }
    ```
    ```json file lycoris_config.json
    {
      "algo": "lokr", "multiplier": 1.0, "full_matrix": true, "linear_dim": 10000, "linear_alpha": 1,
      "factor": 4,
      "apply_preset": {"target_module": ["Flux2Attention", "Flux2FeedForward", "Flux2ParallelSelfAttention"]}
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "lora_type": "lycoris",
      "lycoris_config": "lycoris_config.json"
    }
    ```
    """
    if not plan.training or plan.get("lora_type").value != "lycoris" or plan.get("model_type").value == "full":
        return
    for key in KEYS:
        setting = plan.get(key)
        if setting.written and setting.value not in (None, False):
            yield setting.finding(
                f"`{key}` is not read with `lora_type: lycoris`: the LyCORIS file rules",
                "set `linear_dim` and `linear_alpha` there, and remove it",
                setting.remove(),
            )
