from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Images lie beside the `N_name` folders and are passed over.

    Why: sub-folders whose name does not begin with a number (or begins with 0), and images in `train_data_dir` itself,
    are ignored with one line in the log.
    Instead: put the number of repeats before the folder's name, or move what is not meant away.
    Sources: kohya-ss/sd-scripts@48d368fa library/config_util.py `extract_dreambooth_params` ("ignore directory without
    repeats"), https://github.com/kohya-ss/sd-scripts

    ```files
    data/10_zwx ring/a.png
    data/10_zwx ring/a.txt: zwx ring on slate
    data/10_zwx ring/b.png
    data/10_zwx ring/b.txt: zwx ring on sand
    data/more/c.png
    data/more/c.txt: zwx ring on oak
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
    data/5_more/c.png
    data/5_more/c.txt: zwx ring on oak
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
    seen: set[str] = set()
    for data in plan.datasets:
        parent = data.parent
        if parent is None or data.repeats.value is None or str(parent.folder) in seen:
            continue
        seen.add(str(parent.folder))
        read = {str(each.folder.value).rpartition("/")[2] for each in plan.datasets if each.parent == parent}
        lost = [name for name in parent.unread_images if "/" in name and name.partition("/")[0] not in read]
        lost += parent.images
        if lost:
            names = ", ".join(lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else "")
            yield data.folder.finding(
                f"{len(lost)} image{'s' * (len(lost) > 1)} in no `N_name` folder: sd-scripts passes over {names}",
                "put repeats before the folder's name, or move the images",
            )
