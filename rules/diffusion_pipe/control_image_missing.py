import os
from collections.abc import Iterator

from lora_doctor.dataset.listing import Listing
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

PASSED = (".txt", ".npz", ".json", ".parquet", ".bak", ".db", ".tar")  # the loader takes everything else for an image


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A file in the folder has no control image, and caching hangs.

    Why: with `control_path` every file that is not text, JSON or a cache needs a control image of the same stem,
    strays such as .DS_Store included. The error is raised in the caching process, whose end the main process never
    notices: the job hangs until someone looks.
    Instead: add the missing control images, and move everything that is no image out of the folder.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py lines 645-676 and 1194,
    https://github.com/tdrussell/diffusion-pipe

    ```files
    images/01.png
    images/02.png
    before/01.png
    ```
    ```toml diffusion-pipe flagged
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "images"
    control_path = "before"
    ```
    ```files
    images/01.png
    images/.DS_Store
    before/01.png
    ```
    ```toml diffusion-pipe flagged
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "images"
    control_path = "before"
    ```
    ```files
    images/01.png
    images/01.txt
    before/01.jpg
    ```
    ```toml diffusion-pipe clean
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "images"
    control_path = "before"
    ```
    """
    for data in plan.datasets:
        listing, stems = data.listing, {stem(name) for beside in data.control_listings for name in top(beside)}
        if listing is None or not data.control_listings:
            continue
        alone = [name for name in top(listing) if not name.lower().endswith(PASSED) and stem(name) not in stems]
        if alone:
            yield data.control.finding(
                f"{len(alone)} files have no control image of their name: caching fails and the job hangs: "
                + ", ".join(alone[:3]),
                "add the control images, or move what is no image out of the folder",
            )


def top(listing: Listing) -> list[str]:
    """Names directly in the folder."""
    names = (*listing.images, *listing.unread_images, *listing.texts, *listing.others)
    return [name for name in names if "/" not in name]


def stem(name: str) -> str:
    return os.path.splitext(name)[0]
