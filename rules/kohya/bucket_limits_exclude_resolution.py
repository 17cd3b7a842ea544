from collections.abc import Iterator
from typing import Any

from lora_doctor.derived import dataset_lookups
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The resolution lies outside `min_bucket_reso` and `max_bucket_reso`.

    Why: with buckets on, an assertion demands that the limits (256 and 1024 unless set, rounded to `bucket_reso_steps`)
    enclose both sides of the resolution.
    Instead: raise `max_bucket_reso`, or lower `min_bucket_reso`.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py line 747 `adjust_min_max_bucket_reso_by_steps`;
    bmaltais/kohya_ss#581 and #1279, https://github.com/bmaltais/kohya_ss/issues/581

    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    train_data_dir = "data"
    resolution = "1024,1536"
    enable_bucket = true
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    train_data_dir = "data"
    resolution = "1024,1536"
    enable_bucket = true
    max_bucket_reso = 2048
    ```
    """
    for find in dataset_lookups(plan):
        size, buckets, step = find("resolution"), find("enable_bucket"), find("bucket_reso_steps").value or 64
        sides = _sides(size.value)
        if not buckets.value or not sides or not isinstance(step, int) or step < 1:
            continue
        for key, wanted, default in (("max_bucket_reso", max(sides), 1024), ("min_bucket_reso", min(sides), 256)):
            limit = find(key)
            value = default if limit.value is None else limit.value
            if isinstance(value, int) and _excludes(key, value, wanted, step):
                setting = limit if limit.written else size
                shown = "x".join(map(str, sides))
                alone = plan.kind == "dataset" and not limit.written
                finding = setting.finding(
                    f"resolution {shown} with `{key}` {value}: an assertion stops the run at start"
                    f"{', unless the command line has another' * alone}",
                    f"set `{key}` to {wanted}",
                    limit.write(wanted, safe=False),
                )
                yield finding._replace(level="warning") if alone else finding


def _excludes(key: str, limit: int, side: int, step: int) -> bool:
    """The upper limit is rounded up to a multiple of the step, the lower one down."""
    return side > -(-limit // step) * step if key.startswith("max") else side < limit // step * step


def _sides(value: Any) -> list[int]:
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
    return [int(part) for part in parts] if all(str(part).strip().isdigit() for part in parts) else []
