import os
from collections import Counter
from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """Two images with one name and different suffixes share a caption file.

    Why: trainers look for a caption by the name without its suffix: `a.jpg` and `a.png` both get `a.txt`, which
    describes one of them at best. Caches of latents go by that name too and overwrite each other in sd-scripts.
    Instead: rename one of them.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py line 1948 (`os.path.splitext`) and the `.npz` caches
    beside the images

    ```files
    data/a.png
    data/a.jpg
    data/a.txt: zwx ring on slate
    ```
    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    ```files
    data/a.png
    data/b.jpg
    data/a.txt: zwx ring on slate
    data/b.txt: zwx ring on sand
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    """
    for data in plan.datasets:
        if data.listing is None or data.caption_source.value != "files":
            continue
        stems = Counter(os.path.splitext(name)[0] for name in data.listing.images)
        shared = [stem for stem, count in stems.items() if count > 1]
        if shared:
            pair = [name for name in data.listing.images if os.path.splitext(name)[0] == shared[0]]
            yield data.folder.finding(
                f"{len(shared)} caption{'s' * (len(shared) != 1)} shared by images of one name: {', '.join(pair[:3])}",
                "rename one of them",
            )
