from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`subsample_ratio` trains the same part of the data in every epoch.

    Why: the list of batches is shuffled once with a fixed seed and cut to this share; the rest is never trained. It
    is meant for evaluation sets.
    Instead: remove it from a training dataset.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py lines 1004-1023,
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    subsample_ratio = 0.2
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
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
        ratio = data.config.get("subsample_ratio")
        if isinstance(ratio.value, (int, float)) and 0 < ratio.value < 1:
            yield ratio.finding(
                f"`subsample_ratio` = {ratio.value:g}: the same {1 - ratio.value:.0%} of the batches are never trained",
                "remove it unless this is an evaluation set",
                ratio.remove(safe=False),
            )
