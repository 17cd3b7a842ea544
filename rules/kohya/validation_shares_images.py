from collections.abc import Iterator

from lora_doctor.derived import dataset_lookups
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


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
    for find in dataset_lookups(plan):
        split, seed = find("validation_split"), find("validation_seed")
        if split.written and isinstance(split.value, float) and 0 < split.value < 1 and seed.value is None:
            alone = plan.kind == "dataset"
            finding = split.finding(
                f"a split of {split.value:g} without `validation_seed`: training and validation set are shuffled "
                f"apart, so most validation images are trained on too{', unless the command line has one' * alone}",
                "set `validation_seed`",
                seed.write(42, safe=False),
            )
            yield finding._replace(level="warning") if alone else finding
