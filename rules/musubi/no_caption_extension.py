from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """An image folder without `caption_extension`.

    Why: there is no default: the caption's path becomes an empty string and the first caching script stops with a
    FileNotFoundError.
    Instead: `caption_extension = ".txt"`, in the dataset or in `[general]`.
    Sources: kohya-ss/musubi-tuner@30c658c dataset/datasources.py `get_caption`, dataset/config_utils.py line 36,
    https://github.com/kohya-ss/musubi-tuner

    ```toml musubi-tuner flagged
    [general]
    resolution = [1024, 1024]
    enable_bucket = true
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
        setting, extension = data.get("caption_extension"), data.caption_extension
        if not data.get("image_directory").written:
            continue
        if extension.value is None and not extension.written:
            yield setting.finding(
                "no `caption_extension`: musubi opens a caption file without a name and stops at caching",
                'set `caption_extension = ".txt"`',
                setting.write(".txt"),
            )
        elif isinstance(extension.value, str) and not extension.value.startswith("."):
            yield extension.finding(
                f"`{extension.value}` has no dot: musubi looks for `image{extension.value}` and stops at caching",
                f"write `.{extension.value}`",
                extension.write(f".{extension.value}"),
            )
