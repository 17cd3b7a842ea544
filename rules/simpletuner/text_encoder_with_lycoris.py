from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`train_text_encoder` with LyCORIS.

    Why: SimpleTuner refuses the combination and exits at start.
    Instead: remove `train_text_encoder`.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/training/default_settings/safety_check.py line 89

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
      "lycoris_config": "lycoris_config.json", "train_text_encoder": true
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
    trained = plan.get("train_text_encoder")
    lycoris = plan.get("lora_type").value == "lycoris" and plan.get("model_type").value == "lora"
    if plan.training and lycoris and trained.value is True:
        yield trained.finding(
            "`train_text_encoder` with `lora_type: lycoris`: SimpleTuner exits at start", "remove it", trained.remove()
        )
