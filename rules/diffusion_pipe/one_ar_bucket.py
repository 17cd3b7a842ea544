from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`num_ar_buckets = 1` keeps the narrowest shape only.

    Why: the ratios are spaced from `min_ar` to `max_ar`; one of them is `min_ar` itself, so with 0.5 every image is
    cropped to a 1:2 strip.
    Instead: use an odd number such as 7: the middle one of a symmetric range is the square.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py line 508 (numpy.geomspace),
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 1
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
        own = data.get("num_ar_buckets")
        number = own if own.written else data.config.get("num_ar_buckets")
        lowest = data.get("min_ar").value or data.config.get("min_ar").value
        if number.value == 1 and data.buckets.value is True and lowest:
            message = f"`num_ar_buckets` = 1: every image is cropped to the ratio {lowest}"
            yield number.finding(message, "use 7", number.write(7, safe=False))
