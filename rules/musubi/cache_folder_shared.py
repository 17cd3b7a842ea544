import os
from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Two datasets with one cache folder.

    Why: folders must be unique, and where none is named the image folder is taken: the same images in two entries (with
    other repeats, say) need two cache folders. Equal paths are refused; two spellings of one path are not, and each
    caching pass then deletes the other's files.
    Instead: give each dataset its own `cache_directory`.
    Sources: kohya-ss/musubi-tuner@30c658c dataset/config_utils.py `generate_dataset_group_by_blueprint`,
    cache_latents.py `encode_datasets`, https://github.com/kohya-ss/musubi-tuner

    ```toml musubi-tuner flagged
    [general]
    caption_extension = ".txt"
    enable_bucket = true
    [[datasets]]
    image_directory = "data"
    resolution = [1024, 1024]
    [[datasets]]
    image_directory = "data"
    resolution = [512, 512]
    ```
    ```toml musubi-tuner clean
    [general]
    caption_extension = ".txt"
    enable_bucket = true
    [[datasets]]
    image_directory = "data"
    cache_directory = "cache/1024"
    resolution = [1024, 1024]
    [[datasets]]
    image_directory = "data"
    cache_directory = "cache/512"
    resolution = [512, 512]
    ```
    """
    seen: dict[str, str] = {}
    for data in plan.datasets:
        named = data.get("cache_directory")
        cache = named if named.written else data.folder
        if not isinstance(cache.value, str):
            continue
        place = os.path.normpath(cache.value)
        if place in seen:
            yield cache.finding(
                f"the caches of this dataset go to `{place}`, like those of another: musubi refuses that"
                if seen[place] == cache.value
                else f"`{cache.value}` and `{seen[place]}` are one folder: each caching pass deletes the other's files",
                "give each dataset its own `cache_directory`",
            )
        seen.setdefault(place, cache.value)
