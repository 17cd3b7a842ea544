from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Some images lie where, or in a format that, this trainer does not open.

    Why: suffixes it does not know and sub-folders it does not enter are left out without a message, so the run trains
    on fewer images than you counted.
    Instead: convert or move them; give each sub-folder its own entry.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py line 628; ostris/ai-toolkit@27a03a91
    toolkit/data_loader.py (jpg, jpeg, png, webp)

    ```files
    data/a.png
    data/a.txt: zwx, a ring on slate
    data/more/b.png
    data/more/b.txt: zwx, a ring on sand
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
    data/a.png
    data/a.txt: zwx, a ring on slate
    data/more/b.png
    data/more/b.txt: zwx, a ring on sand
    ```
    ```toml diffusion-pipe clean
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "data"
    [[directory]]
    path = "data/more"
    ```
    """
    listings = [each for data in plan.datasets for each in (data.listing, data.mask_listing, *data.control_listings)]
    entered = {each.folder.resolve() for each in listings if each is not None}  # masks often lie inside the folder
    for data in plan.datasets:
        listing = data.listing
        if listing is None or not listing.images or not data.folder.written:
            continue
        passed = [name for name in listing.unread_images if (listing.folder / name).parent.resolve() not in entered]
        passed += [name for name in listing.unread_images if "/" not in name and name not in passed]
        if passed:
            names = ", ".join(passed[:3]) + (f" and {len(passed) - 3} more" if len(passed) > 3 else "")
            yield data.folder.finding(
                f"{plan.trainer} passes over {len(passed)} image{'s' * (len(passed) > 1)} here: {names}",
                "move or convert them, or give their folder its own entry",
            )
