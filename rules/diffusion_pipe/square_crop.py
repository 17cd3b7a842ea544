from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Without aspect-ratio buckets every image is cropped to a square.

    Why: `enable_ar_bucket` is false unless set: the only bucket is 1:1, and of a 2:3 portrait a third is cut away
    at top and bottom, heads and feet included.
    Instead: `enable_ar_bucket = true` with `min_ar = 0.5`, `max_ar = 2.0`, `num_ar_buckets = 7`. For square images,
    or to crop on purpose, write `enable_ar_bucket = false`.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py lines 452 and 498, models/base.py line 66,
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    resolutions = [1024]
    [[directory]]
    path = "images"
    ```
    ```toml diffusion-pipe clean
    resolutions = [1024]
    enable_ar_bucket = false
    [[directory]]
    path = "images"
    ```
    """
    for data in plan.datasets:
        if not data.buckets.written and data.buckets.value is False:
            yield data.config.get("enable_ar_bucket").finding(
                "`enable_ar_bucket` is not set: every image is cropped to a square",
                "set it to true with `min_ar`, `max_ar` and `num_ar_buckets`, or to false where the images are square",
            )
