import os
from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Some images have no mask and are trained in full.

    Why: an image without a mask of the same stem is trained with the loss on every pixel; the only sign is a line
    in the log.
    Instead: draw the missing masks (white: train, black: leave, grey: weight), or set `default_mask_file`.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py lines 661-669, examples/dataset.toml,
    https://github.com/tdrussell/diffusion-pipe

    ```files
    images/01.png
    images/02.png
    masks/01.png
    ```
    ```toml diffusion-pipe flagged
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "images"
    mask_path = "masks"
    ```
    ```files
    images/01.png
    images/02.png
    masks/01.png
    masks/02.jpg
    ```
    ```toml diffusion-pipe clean
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "images"
    mask_path = "masks"
    ```
    """
    for data in plan.datasets:
        listing, masks = data.listing, data.mask_listing
        if listing is None or masks is None or data.get("default_mask_file").written:
            continue
        stems = {os.path.splitext(name)[0] for name in (*masks.images, *masks.unread_images) if "/" not in name}
        missing = [name for name in listing.images if os.path.splitext(name)[0] not in stems]
        if missing:
            yield data.masks.finding(
                f"{len(missing)} of {len(listing.images)} images have no mask and are trained in full: "
                + ", ".join(missing[:3]),
                "draw the masks, or set `default_mask_file`",
            )
