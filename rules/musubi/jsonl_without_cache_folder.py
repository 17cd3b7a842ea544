from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A JSONL dataset without `cache_directory`.

    Why: caches go beside the images of a folder; a JSONL file has no folder, so the path can't be built and caching
    stops.
    Instead: set `cache_directory`, one per dataset.
    Sources: kohya-ss/musubi-tuner@30c658c dataset/image_video_dataset.py `get_latent_cache_path`;
    docs/dataset_config.md, https://github.com/kohya-ss/musubi-tuner

    ```toml musubi-tuner flagged
    [general]
    resolution = [1024, 1024]
    enable_bucket = true
    [[datasets]]
    image_jsonl_file = "metadata.jsonl"
    ```
    ```toml musubi-tuner clean
    [general]
    resolution = [1024, 1024]
    enable_bucket = true
    [[datasets]]
    image_jsonl_file = "metadata.jsonl"
    cache_directory = "cache"
    ```
    """
    for data in plan.datasets:
        cache = data.get("cache_directory")
        for source in ("image_jsonl_file", "video_jsonl_file"):
            file = data.get(source)
            if file.written and not cache.written and not data.get(source.replace("jsonl_file", "directory")).written:
                yield file.finding(
                    f"`{source}` without `cache_directory`: caching stops, it has no folder for its files",
                    "set `cache_directory`",
                    cache.write("cache", safe=False),
                )
