from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The same folder stands twice in one dataset: the second is ignored.

    Why: subsets of one dataset are compared by `image_dir`; a later one with the same folder is dropped with a warning,
    and its repeats and settings with it.
    Instead: give it a `[[datasets]]` of its own, or raise `num_repeats`.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py lines 2125-2130, https://github.com/kohya-ss/sd-scripts

    ```toml sd-scripts flagged
    [[datasets]]
    resolution = 1024
    caption_extension = ".txt"
    [[datasets.subsets]]
    image_dir = "data/zwx"
    [[datasets.subsets]]
    image_dir = "data/zwx"
    flip_aug = true
    ```
    ```toml sd-scripts clean
    [[datasets]]
    resolution = 1024
    caption_extension = ".txt"
    [[datasets.subsets]]
    image_dir = "data/zwx"
    [[datasets]]
    resolution = 768
    caption_extension = ".txt"
    [[datasets.subsets]]
    image_dir = "data/zwx"
    ```
    """
    for config in plan.configs:
        seen: set[tuple[str, str]] = set()
        for key, setting in config.written():
            home, found, _ = key.partition(".subsets.")
            if config.table.name != "dataset" or not found or not key.endswith(".image_dir"):
                continue
            if (home, str(setting.value)) in seen:
                yield setting.finding(
                    f"`{setting.value}` is in this dataset already: the second subset is ignored",
                    "give it a `[[datasets]]` of its own, or raise `num_repeats` of the first",
                )
            seen.add((home, str(setting.value)))
