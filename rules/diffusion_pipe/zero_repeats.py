from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`num_repeats` of 0 or less.

    Why: the value is checked in the caching process, whose error the main process never notices: it waits for ever
    and the job hangs.
    Instead: remove the `[[directory]]` that is not to be trained, or give it a positive number.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py lines 192-193 and 1194,
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "images"
    num_repeats = 0
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
        if isinstance(setting.value, (int, float)) and setting.value <= 0:
            yield setting.finding(f"`num_repeats` = {setting.value}: caching fails and the job hangs", "give 1 or more")
