from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """captions.json holds a text where a list of texts is expected.

    Why: each image's entry must be a list of captions. The check is an assertion in the caching process, whose end
    the main process never notices: the job hangs.
    Instead: write `{"01.png": ["a photo of zwx"]}`.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py lines 683-697 and 1194,
    https://github.com/tdrussell/diffusion-pipe

    ```files
    images/01.png
    images/captions.json: {"01.png": "a photo of zwx"}
    ```
    ```toml diffusion-pipe flagged
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
        plain = [name for name, count in (data.caption_counts or {}).items() if count is None]
        used = [name for name in plain if data.listing and name in data.listing.images]
        if used:
            yield data.folder.finding(
                f"{used[0]} in captions.json has no list of captions: caching fails and the job hangs",
                "put each caption in brackets",
            )
