from collections.abc import Iterator
from typing import Any

from lora_doctor.plan import Dataset, Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """An even number of ratio buckets has no square one.

    Why: between `min_ar` and its inverse the ratios are spaced evenly in the logarithm: only an odd number has 1.0
    among them. With 6 from 0.5 to 2.0 a square image is cropped to 0.87, losing an eighth of its height or width.
    Instead: use an odd number.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py line 508, https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 6
    [[directory]]
    path = "images"
    ```
    ```toml diffusion-pipe clean
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "images"
    ```
    """
    for data in plan.datasets:
        low, high, number = (_value(data, key) for key in ("min_ar", "max_ar", "num_ar_buckets"))
        if data.buckets.value is not True or _value(data, "ar_buckets") or _value(data, "size_buckets"):
            continue
        if not all(isinstance(value, (int, float)) and value > 0 for value in (low, high, number)):
            continue
        if number > 1 and number % 2 == 0 and abs(low * high - 1) < 0.01:
            nearest = (high / low) ** (-0.5 / (number - 1))
            own = data.get("num_ar_buckets")
            setting = own if own.written else data.config.get("num_ar_buckets")
            yield setting.finding(
                f"`num_ar_buckets` = {number} has no square bucket: square images are cropped to {nearest:.2f}",
                f"use {number + 1}",
                setting.write(number + 1, safe=False),
            )


def _value(data: Dataset, key: str) -> Any:
    own = data.get(key)
    return own.value if own.written else data.config.get(key).value
