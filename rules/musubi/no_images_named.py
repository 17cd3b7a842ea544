from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

SOURCES = ("image_directory", "image_jsonl_file", "video_directory", "video_jsonl_file")


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A dataset entry without images.

    Why: an entry needs `image_directory` or `image_jsonl_file`; without them it is taken for a video dataset, which
    stops the image models.
    Instead: name the folder.
    Sources: kohya-ss/musubi-tuner@30c658c dataset/config_utils.py `BlueprintGenerator.generate`;
    docs/dataset_config.md, https://github.com/kohya-ss/musubi-tuner

    ```toml musubi-tuner flagged
    [general]
    resolution = [1024, 1024]
    caption_extension = ".txt"
    enable_bucket = true
    [[datasets]]
    image_directory = "data"
    cache_directory = "cache"
    [[datasets]]
    cache_directory = "cache2"
    num_repeats = 2
    ```
    ```toml musubi-tuner clean
    [general]
    resolution = [1024, 1024]
    caption_extension = ".txt"
    enable_bucket = true
    [[datasets]]
    image_directory = "data"
    cache_directory = "cache"
    ```
    """
    for data in plan.datasets:
        if not any(data.get(source).written for source in SOURCES):
            setting = data.get("image_directory")
            yield setting.finding("this dataset names no images", "set `image_directory`")
