from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`num_repeats` below 1 leaves the same images out in every epoch.

    Why: a repeat count of 0.5 makes the folder count half its length, and the loader walks it from the first item
    on: the second half is never drawn, in no epoch.
    Instead: for fewer views of a folder raise `num_repeats` of the others instead.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py lines 283-320 (__getitem__, __len__),
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "images"
    num_repeats = 0.5
    ```
    ```toml diffusion-pipe clean
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "images"
    num_repeats = 1
    ```
    """
    for data in plan.datasets:
        own = data.get("num_repeats")
        setting = own if own.written else data.config.get("num_repeats")
        if isinstance(setting.value, (int, float)) and 0 < setting.value < 1:
            left_out = f"{1 - setting.value:.0%}"
            yield setting.finding(
                f"`num_repeats` = {setting.value:g}: the same {left_out} of the folder are never trained",
                "use 1, and raise the repeats of the other folders",
            )
