from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`[[datasets.subsets]]` stands without a `[[datasets]]` above it.

    Why: TOML then makes `datasets` a table, where the dataset config must be a list: the schema refuses it at start
    with "expected a list". Two pages of the documentation show it so.
    Instead: write `[[datasets]]` on a line of its own above the first `[[datasets.subsets]]`.
    Sources: kohya-ss/sd-scripts@48d368fa library/config_util.py `ConfigSanitizer`; docs/masked_loss_README.md and
    docs/train_lllite_README.md (the short form), https://github.com/kohya-ss/sd-scripts

    ```toml sd-scripts flagged
    [[datasets.subsets]]
    image_dir = "data/zwx"
    caption_extension = ".txt"
    num_repeats = 8
    ```
    ```toml sd-scripts clean
    [[datasets]]
    resolution = 1024
    [[datasets.subsets]]
    image_dir = "data/zwx"
    caption_extension = ".txt"
    num_repeats = 8
    ```
    """
    for config in plan.configs:
        subset = config.settings.get("datasets.subsets.0")
        if subset is not None and config.table.name == "dataset":
            yield subset.finding(
                "`[[datasets.subsets]]` without `[[datasets]]` makes one table of what must be a list: the dataset "
                "config is refused at start",
                "write `[[datasets]]` on the line above",
            )
