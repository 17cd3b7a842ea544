from collections.abc import Iterator

from lora_doctor.derived import dataset_lookups
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

STEPS = {"sd15": 64, "sd2": 64, "sdxl": 32, "flux1": 64}  # pixels


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`bucket_reso_steps` is no multiple of what the model needs.

    Why: the sides of buckets must fit the model's blocks: the scripts assert a multiple of 32 for SDXL and of 64 for SD
    1.x and FLUX.1, at start. Presets from 2023 carry 1.
    Instead: use 64.
    Sources: kohya-ss/sd-scripts@48d368fa train_network.py `assert_extra_args` (64, called by flux_train_network.py
    too), sdxl_train_network.py (32), https://github.com/kohya-ss/sd-scripts

    ```json kohya_ss flagged
    {"LoRA_type": "Standard", "sdxl": true, "enable_bucket": true, "bucket_reso_steps": 1, "network_dim": 16,
     "network_alpha": 16, "max_resolution": "1024,1024"}
    ```
    ```json kohya_ss clean
    {"LoRA_type": "Standard", "sdxl": true, "enable_bucket": true, "bucket_reso_steps": 64, "network_dim": 16,
     "network_alpha": 16, "max_resolution": "1024,1024"}
    ```
    """
    needed = STEPS.get(plan.model.family or "")
    if not plan.training or needed is None:
        return
    for find in dataset_lookups(plan):
        setting = find("bucket_reso_steps")
        if not find("enable_bucket").value or not setting.written:
            continue
        if isinstance(setting.value, int) and setting.value % needed:
            yield setting.finding(
                f"{setting.value} is no multiple of {needed}: an assertion stops the run at start",
                "set it to 64",
                setting.write(64, safe=False),
            )
