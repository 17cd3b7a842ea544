from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`shuffle_tags` shuffles each caption once for the whole run.

    Why: tags are shuffled when the captions are cached, so every epoch sees the same order. As the order is drawn
    anew at each start, the cached latents and texts no longer match and are built again.
    Instead: `cache_shuffle_num = 5` caches five orders of each caption (and makes the epoch five times as long).
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py lines 45-57 and 762-764,
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    shuffle_tags = true
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "images"
    ```
    ```toml diffusion-pipe clean
    cache_shuffle_num = 5
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
        own = data.get("shuffle_tags")
        shuffle = own if own.written else data.config.get("shuffle_tags")
        number = data.get("cache_shuffle_num").value or data.config.get("cache_shuffle_num").value
        if shuffle.value is True and not number:
            yield shuffle.finding(
                "`shuffle_tags` without `cache_shuffle_num`: one order for the whole run, new caches at every start",
                "set `cache_shuffle_num`",
            )
