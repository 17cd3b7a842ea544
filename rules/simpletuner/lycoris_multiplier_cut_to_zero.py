from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A LyCORIS multiplier below 1, which becomes 0.

    Why: the multiplier goes through `int()`, so 0.5 is 0: the adapter adds nothing and gets no gradient until the
    first validation resets it to 1.
    Instead: 1.0; weaken the adapter with `linear_alpha` or the learning rate.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/training/trainer.py line 3410; documentation/LYCORIS.md
    (`multiplier` should be 1.0)

    ```json file lycoris_config.json
    {
      "algo": "lokr", "multiplier": 0.5, "full_matrix": true, "linear_dim": 10000, "linear_alpha": 1,
      "factor": 4,
      "apply_preset": {"target_module": ["Flux2Attention", "Flux2FeedForward", "Flux2ParallelSelfAttention"]}
    }
    ```
    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "lora_type": "lycoris",
      "lycoris_config": "lycoris_config.json"
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
    for config in plan.configs:
        multiplier = config.get("multiplier")
        if config.table.name == "lycoris" and isinstance(multiplier.value, float) and 0 < multiplier.value < 1:
            yield multiplier.finding(
                f"multiplier {multiplier.value:g} is cut to a whole number, 0: the adapter adds and learns nothing",
                "set it to 1.0",
                multiplier.write(1.0, safe=False),
            )
