from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    """`validation_split` stands in a subset.

    Why: only a dataset or `[general]` may have it. The schema refuses it in a subset, although the documentation on
    validation shows it there.
    Instead: move it up into `[[datasets]]`; a folder that is all for validation gets a `[[datasets]]` of its own.
    Sources: kohya-ss/sd-scripts@48d368fa library/config_util.py `DATASET_ASCENDABLE_SCHEMA` against docs/validation.md;
    kohya-ss/sd-scripts#2190, https://github.com/kohya-ss/sd-scripts/pull/2190

    ```toml sd-scripts flagged
    [[datasets]]
    resolution = 1024
    [[datasets.subsets]]
    image_dir = "data/zwx"
    caption_extension = ".txt"
    validation_split = 0.1
    ```
    ```toml sd-scripts clean
    [[datasets]]
    resolution = 1024
    validation_split = 0.1
    validation_seed = 7
    [[datasets.subsets]]
    image_dir = "data/zwx"
    caption_extension = ".txt"
    ```
    """
    for config in plan.configs:
        for key, setting in config.written():
            *_, home, _, name = ("", "", *key.split("."))
            if config.table.name == "dataset" and home == "subsets" and name in ("validation_split", "validation_seed"):
                yield setting.finding(
                    f"a subset may not have `{name}`: the schema refuses the dataset config at start",
                    "move it into `[[datasets]]`",
                )
