from collections.abc import Iterator
from pathlib import Path

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A config.env with a config.json or config.toml beside it.

    Why: SimpleTuner takes config.json before config.toml before config.env when nothing else is said, so the options
    in this file are not used.
    Instead: keep one of them, or set `CONFIG_BACKEND=env`.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/configuration/loader.py line 35

    ```json file config.json
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0
    }
    ```
    ```env SimpleTuner name=config.env flagged
    export MODEL_TYPE="lora"
    export MODEL_FAMILY="flux2"
    export OUTPUT_DIR="output/zwx"
    export DATALOADER_CONFIG="config/multidatabackend.json"
    export OPTIMIZER="adamw_bf16"
    export LEARNING_RATE=1e-4
    export MAX_NUM_STEPS=2000
    export NUM_EPOCHS=0
    ```
    ```env SimpleTuner name=config.env clean
    export MODEL_TYPE="lora"
    export MODEL_FAMILY="flux2"
    export OUTPUT_DIR="output/zwx"
    export DATALOADER_CONFIG="config/multidatabackend.json"
    export OPTIMIZER="adamw_bf16"
    export LEARNING_RATE=1e-4
    export MAX_NUM_STEPS=2000
    export NUM_EPOCHS=0
    ```
    """
    path = Path(plan.config.document.name)
    if not plan.training or path.name not in ("config.env", "config.toml") or plan.config.prefix:
        return
    first = next((name for name in ("config.json", "config.toml") if path.with_name(name).exists()), None)
    if first is not None and first != path.name:
        yield plan.get("model_family").finding(
            f"`{first}` lies beside this file and is read instead of it, unless `CONFIG_BACKEND` says otherwise",
            "keep one of them",
        )
