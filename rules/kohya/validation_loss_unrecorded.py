from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A validation split, but nothing to write the validation loss to.

    Why: the loss goes to the trackers only. Without `logging_dir` or `log_with` there is none, and the images held back
    are evaluated for nothing.
    Instead: set `logging_dir`.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py line 5449 `prepare_accelerator`, train_network.py
    (`is_tracking`), https://github.com/kohya-ss/sd-scripts

    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    train_data_dir = "data"
    validation_split = 0.1
    validation_seed = 7
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    train_data_dir = "data"
    validation_split = 0.1
    validation_seed = 7
    logging_dir = "logs"
    ```
    """
    split = plan.argument("validation_split")
    if not plan.training or plan.config.open or not split.written or not split.value:
        return
    folder = plan.argument("logging_dir")
    if not folder.value and not plan.argument("log_with").value and folder.origin != "written":
        yield split.finding(
            "no `logging_dir` and no `log_with`: the validation loss is computed and recorded nowhere"
            f"{'' if plan.script else ', unless the command line has one'}",
            "set `logging_dir`",
            folder.write("logs", safe=False),
        )
