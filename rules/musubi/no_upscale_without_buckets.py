from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`bucket_no_upscale` without buckets.

    Why: it is switched off where `enable_bucket` is false, so small images are enlarged all the same.
    Instead: add `enable_bucket = true`.
    Sources: kohya-ss/musubi-tuner@30c658c dataset/image_video_dataset.py `BaseDataset.__init__`,
    https://github.com/kohya-ss/musubi-tuner

    ```toml musubi-tuner flagged
    [general]
    resolution = [1024, 1024]
    caption_extension = ".txt"
    enable_bucket = false
    bucket_no_upscale = true
    [[datasets]]
    image_directory = "data"
    cache_directory = "cache"
    ```
    ```toml musubi-tuner clean
    [general]
    resolution = [1024, 1024]
    caption_extension = ".txt"
    enable_bucket = true
    bucket_no_upscale = true
    [[datasets]]
    image_directory = "data"
    cache_directory = "cache"
    ```
    """
    for data in plan.datasets:
        own, general = data.get("bucket_no_upscale"), data.config.settings.get("general.bucket_no_upscale")
        setting = own if own.written or general is None else general
        if setting.value is True and data.buckets.value is False:
            yield setting.finding(
                "`bucket_no_upscale` has no effect without `enable_bucket`: small images are enlarged",
                "set `enable_bucket = true`",
            )
