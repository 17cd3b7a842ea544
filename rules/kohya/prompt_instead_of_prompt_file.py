from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`sample_prompts` holds a prompt where a file is wanted.

    Why: it is a path to a .txt, .toml or .json file. Anything else is reported as "No prompt file" at each interval and
    no preview is ever drawn; with cached text encoder outputs of FLUX.1 the run stops.
    Instead: write the prompts into a text file, one a line, and give its path.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py lines 6329-6395, https://github.com/kohya-ss/sd-scripts

    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    sample_every_n_epochs = 1
    sample_prompts = "a photo of a zwx ring on slate --w 1024 --h 1024"
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    sample_every_n_epochs = 1
    sample_prompts = "prompts.txt"
    ```
    """
    setting = plan.get("sample_prompts")
    value = setting.value
    if not plan.training or plan.handed is not None or not isinstance(value, str) or not value or not setting.written:
        return
    if not value.endswith((".txt", ".toml", ".json")):
        yield setting.finding(
            "this is no .txt, .toml or .json file: sd-scripts finds no prompt file at any interval and draws no "
            "preview",
            "write the prompts into a text file, one a line, and give its path",
        )
