from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """captions.json hides the .txt captions of its folder.

    Why: as soon as the file is there, no .txt file beside an image is read; and an image without an entry in it is
    left out of the training.
    Instead: keep one of the two: delete captions.json, or bring every caption into it.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py lines 642-700 and 748-757,
    https://github.com/tdrussell/diffusion-pipe

    ```files
    images/01.png
    images/01.txt: a photo of zwx
    images/02.png
    images/02.txt: zwx on a beach
    images/captions.json: {"01.png": ["a photo of zwx"]}
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
    images/02.png
    images/captions.json: {"01.png": ["a photo of zwx"], "02.png": ["zwx on a beach"]}
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
        listing, counts = data.listing, data.caption_counts
        if listing is None or counts is None:
            continue
        beside, missing = listing.captioned(".txt"), [name for name in listing.images if name not in counts]
        if missing and len(missing) < len(listing.images):
            yield data.folder.finding(
                f"captions.json has no entry for {len(missing)} of {len(listing.images)} images, which are left out: "
                + ", ".join(missing[:3]),
                "add them, whatever .txt files lie beside them",
            )
        elif beside:
            yield data.folder.finding(
                f"captions.json is there, so none of the {len(beside)} .txt captions is read", "keep one of the two"
            )
