from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    """`train_data_dir` has no `N_name` folder: nothing is trained, with exit code 0.

    Why: only sub-folders whose name begins with a number and an underscore are read, as repeats and concept. Without
    one sd-scripts prints "No data found" and ends as if all were well, so a queue goes on; the GUI does not start.
    Instead: point to the folder above, and call the folder with the images `10_zwx woman` or so.
    Sources: kohya-ss/sd-scripts@48d368fa library/config_util.py `generate_dreambooth_subsets_config_by_subdirs`,
    train_network.py; bmaltais/kohya_ss#3374, https://github.com/bmaltais/kohya_ss/issues/3374

    ```files
    data/a.png
    data/a.txt: zwx ring on slate
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
        parent = data.parent
        if not plan.training or parent is None or data.repeats.value is not None:
            continue
        count, folders = len(parent.images), ", ".join(f"`{name}`" for name in parent.folders[:3])
        inside = f": its {count} images lie in it directly" if count else f", only {folders}" if folders else ""
        if data.regularisation.value:
            yield data.folder.finding(
                f"no sub-folder is called `1_name`{inside}: no regularisation image is used", "rename the folder"
            )._replace(level="warning")
        else:
            yield data.folder.finding(
                f"no sub-folder is called `10_name`{inside}: nothing is trained, and the exit code is 0",
                "give the folder above, and put the repeats before the folder's name",
            )
