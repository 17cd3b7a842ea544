from collections.abc import Callable, Iterator
from typing import Any

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule
from lora_doctor.setting import Setting


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
    for read in _readers(plan):
        size, buckets, step = read("resolution"), read("enable_bucket"), read("bucket_reso_steps").value
        sides = _sides(size.value)
        if not buckets.value or not sides or not isinstance(step, int) or step < 1:
            continue
        for key, wanted in (("max_bucket_reso", max(sides)), ("min_bucket_reso", min(sides))):
            limit = read(key)
            if isinstance(limit.value, int) and _excludes(key, limit.value, wanted, step):
                setting = limit if limit.written else size
                shown = "x".join(map(str, sides))
                alone = plan.kind == "dataset" and not limit.written
                finding = setting.finding(
                    f"resolution {shown} with `{key}` {limit.value}: an assertion stops the run at start"
                    f"{', unless the command line has another' * alone}",
                    f"set `{key}` to {wanted}",
                    limit.write(wanted, safe=False),
                )
                yield finding._replace(level="warning") if alone else finding


def _excludes(key: str, limit: int, side: int, step: int) -> bool:
    """The upper limit is rounded up to a multiple of the step, the lower one down."""
    return side > -(-limit // step) * step if key.startswith("max") else side < limit // step * step



def _readers(plan: Plan) -> Iterator[Callable[[str], Setting[Any]]]:
    """A way to look up a key for each dataset: in itself, in `[general]`, among the script's options."""
    data = next((config for config in plan.configs if config.table.name == "dataset"), None)
    homes = [key for key in data.items("datasets") if key.rpartition(".")[2].isdigit()] if data else []

    def of(home: str) -> Callable[[str], Setting[Any]]:
        def read(key: str) -> Setting[Any]:
            assert data is not None
            place = next((p for p in (f"{home}.{key}", f"general.{key}") if data.has(p)), "")
            if place or not plan.training:
                return data.get(place or f"{home}.{key}")
            return plan.argument(key)

        return read

    yield from (of(home) for home in homes)
    if plan.training and not homes and not plan.argument("dataset_config").value and plan.datasets:
        yield plan.argument


def _sides(value: Any) -> list[int]:
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
    return [int(part) for part in parts] if all(str(part).strip().isdigit() for part in parts) else []
