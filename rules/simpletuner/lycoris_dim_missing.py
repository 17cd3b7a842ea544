from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A LyCORIS file without `linear_dim`.

    Why: the file must have `linear_dim` unless `full_matrix` is true; an assertion ends the run at start otherwise.
    Instead: add `linear_dim` (10000 for full matrices, else the rank).
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/configuration/cmd_args.py line 1180

    ```json file lycoris_config.json
    {
      "algo": "lokr", "multiplier": 1.0, "linear_alpha": 1, "factor": 4,
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
      "algo": "lokr", "multiplier": 1.0, "full_matrix": true, "linear_alpha": 1, "factor": 4,
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
        whole = config.get("full_matrix").value is True
        if config.table.name == "lycoris" and not config.has("linear_dim") and not whole:
            yield config.get("linear_dim").finding(
                "`linear_dim` is missing and `full_matrix` is not true: an assertion ends the run at start",
                "set `linear_dim`",
            )
