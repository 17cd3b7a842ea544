from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """An epoch shows every image more often than once.

    Why: each entry of `resolutions` trains the whole dataset once more, each of `cache_shuffle_num` orders and each
    caption of captions.json is an item of its own. Together with `num_repeats` they multiply, and so do the steps
    of an epoch.
    Instead: count them in when choosing `epochs` and save intervals.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py lines 202-247 and 420-447, examples/dataset.toml,
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    cache_shuffle_num = 4
    resolutions = [768, 1024]
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
    num_repeats = 4
    ```
    """
    for data in plan.datasets:
        own = data.get("num_repeats")
        repeats = own.value if own.written else data.config.get("num_repeats").value
        sizes = len(data.resolution.value or [0])
        views = data.repeats.value
        if not views or not isinstance(repeats, (int, float)) or repeats <= 0:
            continue
        hidden = views * sizes / repeats
        if hidden >= 2:
            parts = [f"{sizes} resolutions"] if sizes > 1 else []
            parts += [f"{hidden / sizes:g} captions or orders"] if hidden > sizes else []
            yield data.folder.finding(
                f"an epoch shows each image {hidden * repeats:g} times: {' x '.join(parts)}"
                + (f" x {repeats:g} repeats" if repeats != 1 else "")
            )
