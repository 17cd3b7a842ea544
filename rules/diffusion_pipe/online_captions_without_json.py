from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`online_captions` without captions.json.

    Why: the captions are then read from captions.json at each step; without the file an assertion fails at start.
    Instead: remove the key for .txt captions.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py lines 519-527,
    https://github.com/tdrussell/diffusion-pipe

    ```files
    images/01.png
    images/01.txt: a photo of zwx
    images/02.png
    images/02.txt: zwx on a beach
    ```
    ```toml diffusion-pipe flagged
    online_captions = true
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "images"
    ```
    ```files
    images/01.png
    images/captions.json: {"01.png": ["a photo of zwx"]}
    ```
    ```toml diffusion-pipe clean
    online_captions = true
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
        own = data.get("online_captions")
        online = own if own.written else data.config.get("online_captions")
        if online.value is True and data.listing is not None and data.caption_counts is None:
            yield online.finding(
                f"`online_captions` without captions.json in `{data.folder.value}`: AssertionError at start",
                "remove it",
                online.remove(safe=False),
            )
