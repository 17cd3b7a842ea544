from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

READ = (
    "env", "example", "config_backend", "config_path", "accelerate_config", "accelerate_extra_args", "num_processes",
    "num_machines", "dynamo_backend", "webhook_config",
)  # fmt: skip


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Options on the `simpletuner train` line, which no one reads.

    Why: with a config file the options come from the file alone: what else stands on the line reaches train.py, which
    does not look at its arguments. Only `env`, `example`, `config_backend`, `config_path` and the flags for accelerate
    count.
    Instead: write the option into the config.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) cli/train.py, helpers/configuration/loader.py line 107 (`load_config`
    never reads `sys.argv`)

    ```json file config/config.json
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0
    }
    ```
    ```shell SimpleTuner flagged
    simpletuner train --learning_rate=5e-5
    ```
    ```json file config/config.json
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0
    }
    ```
    ```shell SimpleTuner clean
    simpletuner train --num_processes=2
    ```
    """
    for key, setting in plan.launch.written() if plan.launch else ():
        if key.replace("-", "_") not in READ:
            action = f"write it into {plan.config.document.name}"
            yield setting.finding(f"`{key}` on this line is not read: the config's value counts", action)
