from collections.abc import Iterator
from typing import Any

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule
from lora_doctor.setting import Config, Setting


@rule(level="error", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    """A validation split without a seed: its images are trained on as well.

    Why: the training and the validation set are shuffled and cut independently. Without `validation_seed` the two
    orders differ: of 100 images at a split of 0.2, 19 of the 20 validation images are in the training set too, and the
    validation loss says nothing about unseen images.
    Instead: set `validation_seed`, or keep validation images in a folder of their own with `validation_split = 1.0`.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py lines 146-180 `split_train_val`; the same in 0.11.1,
    https://github.com/kohya-ss/sd-scripts

    ```toml sd-scripts flagged
    [[datasets]]
    resolution = 1024
    validation_split = 0.2
    [[datasets.subsets]]
    image_dir = "data/zwx"
    caption_extension = ".txt"
    ```
    ```toml sd-scripts clean
    [[datasets]]
    resolution = 1024
    validation_split = 0.2
    validation_seed = 7
    [[datasets.subsets]]
    image_dir = "data/zwx"
    caption_extension = ".txt"
    ```
    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    train_data_dir = "data"
    validation_split = 0.1
    ```
    """
    if plan.kind not in ("training", "dataset"):
        return
    for split, seed in _splits(plan):
        if split.written and isinstance(split.value, float) and 0 < split.value < 1 and seed.value is None:
            alone = plan.kind == "dataset"
            finding = split.finding(
                f"a split of {split.value:g} without `validation_seed`: training and validation set are shuffled "
                f"apart, so most validation images are trained on too{', unless the command line has one' * alone}",
                "set `validation_seed`",
                seed.write(42, safe=False),
            )
            yield finding._replace(level="warning") if alone else finding


def _splits(plan: Plan) -> Iterator[tuple[Setting[Any], Setting[Any]]]:
    """The split of each dataset and its seed, from the dataset, `[general]` or the script's options."""
    data = next((config for config in plan.configs if config.table.name == "dataset"), None)
    homes = [key for key in data.items("datasets") if key.rpartition(".")[2].isdigit()] if data else []
    for home in homes:
        yield _found(plan, data, home, "validation_split"), _found(plan, data, home, "validation_seed")
    if not homes and plan.training and not plan.argument("dataset_config").value:
        yield plan.argument("validation_split"), plan.argument("validation_seed")


def _found(plan: Plan, data: Config | None, home: str, key: str) -> Setting[Any]:
    assert data is not None
    for place in (home, "general"):
        if data.has(f"{place}.{key}"):
            return data.get(f"{place}.{key}")
    own = plan.argument(key) if plan.training else data.get(f"{home}.{key}")
    return own if own.value else data.get(f"{home}.{key}")
