from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

ELSEWHERE = ", unless the command line has them"


@rule(level="error", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    """Sample images are asked for without a prompt file.

    Why: at the first preview `os.path.isfile(None)` raises a TypeError and ends the run: with `sample_at_first` before
    training, else after the first interval.
    Instead: set `sample_prompts` to a text file with a prompt a line, or take the interval out.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py line 6393 `sample_images_common`,
    library/flux_train_utils.py line 62, https://github.com/kohya-ss/sd-scripts

    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    sample_every_n_steps = 250
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    sample_every_n_steps = 250
    sample_prompts = "prompts.txt"
    ```
    """
    if not plan.training or plan.handed is not None or plan.config.open or plan.config.has("sample_prompts"):
        return
    for key in ("sample_at_first", "sample_every_n_epochs", "sample_every_n_steps"):
        setting = plan.get(key)
        on = setting.value is True or (isinstance(setting.value, int) and setting.value > 0)
        if setting.written and on:
            finding = setting.finding(
                "no `sample_prompts`: the run stops with a TypeError at its first "
                f"preview{'' if plan.script else ELSEWHERE}",
                "set `sample_prompts` to a file with a prompt a line",
            )
            yield finding if plan.script else finding._replace(level="warning")
            return
