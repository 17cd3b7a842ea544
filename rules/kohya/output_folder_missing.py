from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reproduced", trainer="sd-scripts")
def check(plan: Plan) -> Iterator[Finding]:
    r"""No output folder: the first save crashes and the run is lost.

    Why: `output_dir` has no default and is read when something is saved. Without it the first save raises a TypeError,
    and what was trained until then is gone.
    Instead: set `output_dir`. A config file alone may get it from the command line.
    Sources: kohya-ss/sd-scripts@48d368fa train_network.py `save_model` (`os.makedirs(args.output_dir)`),
    https://github.com/kohya-ss/sd-scripts

    ```shell sd-scripts flagged
    accelerate launch sdxl_train_network.py --pretrained_model_name_or_path models/sd_xl_base_1.0.safetensors \
      --dataset_config dataset.toml --network_module networks.lora --network_dim 16 --network_alpha 16 \
      --learning_rate 1e-4
    ```
    ```shell sd-scripts clean
    accelerate launch sdxl_train_network.py --pretrained_model_name_or_path models/sd_xl_base_1.0.safetensors \
      --dataset_config dataset.toml --network_module networks.lora --network_dim 16 --network_alpha 16 \
      --learning_rate 1e-4 --output_dir out
    ```
    """
    setting = plan.get("output_dir")
    if not plan.training or setting.value or plan.config.open or plan.config.has("output_dir"):
        return
    elsewhere = "" if plan.script else ", unless the command line has it"
    finding = setting.finding(
        f"no `output_dir`: the first save stops the run with a TypeError, and everything trained is lost{elsewhere}",
        "set `output_dir`",
    )
    yield finding if plan.script else finding._replace(level="warning")
