from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Images that have no control image of their name.

    Why: with a `control_directory` every captioned image needs a control image that begins with its name (`a.png`,
    `a_0.png`); musubi stops at caching and lists those without.
    Instead: add the missing ones, or leave their images out.
    Sources: kohya-ss/musubi-tuner@30c658c dataset/datasources.py `ImageDirectoryDatasource`,
    https://github.com/kohya-ss/musubi-tuner

    ```files
    data/a.png
    data/a.txt: turn the ring to silver
    data/b.png
    data/b.txt: turn the ring to gold
    before/a.png
    ```
    ```toml musubi-tuner flagged
    [general]
    resolution = [1024, 1024]
    caption_extension = ".txt"
    enable_bucket = true
    [[datasets]]
    image_directory = "data"
    cache_directory = "cache"
    control_directory = "before"
    ```
    ```files
    data/a.png
    data/a.txt: turn the ring to silver
    before/a_0.png
    before/a_1.png
    ```
    ```toml musubi-tuner clean
    [general]
    resolution = [1024, 1024]
    caption_extension = ".txt"
    enable_bucket = true
    [[datasets]]
    image_directory = "data"
    cache_directory = "cache"
    control_directory = "before"
    ```
    """
    for data in plan.datasets:
        extension = data.caption_extension.value
        if data.listing is None or not data.control_listings or not extension:
            continue
        names = [name for listing in data.control_listings for name in listing.images]
        stems = [name.rpartition(".")[0] for name in data.listing.captioned(extension)]
        missing = [stem for stem in stems if not any(name.startswith((f"{stem}.", f"{stem}_")) for name in names)]
        if missing:
            yield data.control.finding(
                f"{len(missing)} of {len(stems)} images have no control image here: musubi stops at caching ("
                + ", ".join(missing[:3])
                + ")",
                "add them, or remove those images",
            )
