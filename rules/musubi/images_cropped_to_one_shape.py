from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Buckets are off, so every image is cropped to one shape.

    Why: `enable_bucket` is false unless set: each image is scaled and centre-cropped to the one resolution, 960 x 544
    if that isn't set either, and upright pictures lose half of their area.
    Instead: `enable_bucket = true`. Set it to false in the file if all images have that shape.
    Sources: kohya-ss/musubi-tuner@30c658c dataset/config_utils.py line 34, dataset/bucket.py `BucketSelector`;
    docs/dataset_config.md, https://github.com/kohya-ss/musubi-tuner

    ```toml musubi-tuner flagged
    [general]
    resolution = [1024, 1024]
    caption_extension = ".txt"
    [[datasets]]
    image_directory = "data"
    cache_directory = "cache"
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
        buckets, setting = data.buckets, data.get("enable_bucket")
        if not data.get("image_directory").written and not data.get("image_jsonl_file").written:
            continue
        if buckets.origin == "default" and buckets.value is False:
            general = data.config.settings.get("general.resolution")
            size = data.get("resolution") if data.get("resolution").written or general is None else general
            shape = size.value if isinstance(size.value, list) else [size.value] * 2
            named = f" to {shape[0]} x {shape[1]}" if len(shape) == 2 else ""
            yield setting.finding(
                f"`enable_bucket` is not set: every image is cropped to one shape{named.replace(' to ', ', ')}",
                "set `enable_bucket = true`",
                setting.write(True, safe=False),
            )
