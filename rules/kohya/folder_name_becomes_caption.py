from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """No image has a caption: each is trained with the folder's name or `class_tokens`.

    Why: where no caption file is found, the words behind the number of the folder (`10_zwx ring`), or `class_tokens`,
    are the caption of every image; without either it is empty.
    Instead: nothing, if one prompt for all is meant; else caption the images.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py lines 2052-2065; kohya-ss/sd-scripts#1854,
    https://github.com/kohya-ss/sd-scripts/issues/1854

    ```files
    data/10_zwx ring/a.png
    data/10_zwx ring/b.png
    ```
    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    train_data_dir = "data"
    caption_extension = ".txt"
    ```
    ```files
    data/10_zwx ring/a.png
    data/10_zwx ring/a.txt: zwx ring on slate
    data/10_zwx ring/b.png
    data/10_zwx ring/b.txt: zwx ring on sand
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    train_data_dir = "data"
    caption_extension = ".txt"
    ```
    """
    for data in plan.datasets:
        source, listing = data.caption_source.value, data.listing
        if listing is None or data.regularisation.value or source not in ("folder", "prompt", "none"):
            continue
        count = len(listing.images)
        if source != "none":
            words = data.prompt.value or str(data.folder.value).rpartition("/")[2].partition("_")[2]
            images = f"{count} image{'s' * (count > 1)}"
            yield data.folder.finding(f"{images} without a caption: each is trained with `{words}`")
        else:
            yield data.folder.finding(
                f"{count} image{'s' * (count > 1)} without a caption or `class_tokens`: trained with an empty prompt",
                "caption them, or set `class_tokens`",
            )._replace(level="warning")
