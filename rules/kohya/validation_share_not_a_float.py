from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

KEYS = ("validation_split", "network_multiplier")


@rule(level="error", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    """`validation_split` or `network_multiplier` as an integer in a dataset config.

    Why: the schema asks for a float and an integer is none: the dataset config is refused at start.
    Instead: write the decimal point: `1.0`.
    Sources: kohya-ss/sd-scripts@48d368fa library/config_util.py `DATASET_ASCENDABLE_SCHEMA`,
    https://github.com/kohya-ss/sd-scripts

    ```toml sd-scripts flagged
    [[datasets]]
    resolution = 1024
    validation_split = 1
    [[datasets.subsets]]
    image_dir = "data/held_out"
    caption_extension = ".txt"
    ```
    ```toml sd-scripts clean
    [[datasets]]
    resolution = 1024
    validation_split = 1.0
    [[datasets.subsets]]
    image_dir = "data/held_out"
    caption_extension = ".txt"
    ```
    """
    for config in plan.configs:
        for key, setting in config.written():
            value = setting.value
            if config.table.name != "dataset" or key.rpartition(".")[2] not in KEYS:
                continue
            if isinstance(value, int) and not isinstance(value, bool):
                yield setting.finding(
                    f"{value} is an integer: the schema wants a float and refuses the dataset config at start",
                    f"write {float(value)}",
                    setting.write(float(value)),
                )
