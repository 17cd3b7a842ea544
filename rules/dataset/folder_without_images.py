from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The dataset's folder holds no image that this trainer opens.

    Why: trainers read certain suffixes only, and most do not look into sub-folders; what they pass over is not
    mentioned, and an empty dataset stops the run late or hangs it.
    Instead: point to the folder with the images, or convert them.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py line 628 (`glob('*')`); ostris/ai-toolkit@27a03a91
    (jpg, jpeg, png, webp only)

    ```files
    data/set/a.png
    data/set/a.txt: zwx, a ring on slate
    dataset.toml:
    ```
    ```toml diffusion-pipe flagged
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "data"
    ```
    ```files
    data/set/a.png
    data/set/a.txt: zwx, a ring on slate
    ```
    ```toml diffusion-pipe clean
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "data/set"
    ```
    """
    for data in plan.datasets:
        listing = data.listing
        if listing is None or listing.images or not data.folder.written:
            continue
        unread = listing.unread_images
        inside = f": {len(unread)} lie in sub-folders or formats it passes over ({unread[0]})" if unread else ""
        yield data.folder.finding(f"no image in `{data.folder.value}` that {plan.trainer} opens{inside}")
