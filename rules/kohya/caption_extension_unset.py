from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """No `caption_extension`: sd-scripts looks for `.caption` files.

    Why: its default is `.caption`, while nearly every captioning tool writes `.txt`. Where none is found, every image
    is trained with the folder's name, `class_tokens` or an empty prompt, with a warning in the log.
    Instead: set `caption_extension = ".txt"`. The images were not looked at here: if their captions are `.caption`
    files, all is well.
    Sources: kohya-ss/sd-scripts@48d368fa library/config_util.py line 85; bmaltais/kohya_ss#927 and #1370,
    https://github.com/bmaltais/kohya_ss/issues/927; kohya-ss/sd-scripts#487,
    https://github.com/kohya-ss/sd-scripts/issues/487

    ```toml sd-scripts flagged
    [[datasets]]
    resolution = 1024
    [[datasets.subsets]]
    image_dir = "data/zwx"
    num_repeats = 10
    ```
    ```toml sd-scripts clean
    [[datasets]]
    resolution = 1024
    caption_extension = ".txt"
    [[datasets.subsets]]
    image_dir = "data/zwx"
    num_repeats = 10
    ```
    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    train_data_dir = "data"
    ```
    """
    for data in plan.datasets if plan.handed is None else ():
        setting, listing = data.caption_extension, data.listing
        captions = listing is None or (not listing.captioned(".caption") and listing.captioned(".txt"))
        if data.regularisation.value or data.caption_source.value != "files" or setting.written or not captions:
            continue
        alone = plan.kind == "dataset" and setting.place is not None
        if alone or (plan.training and listing is None and setting.value == ".caption"):
            elsewhere = ", unless the command line has `--caption_extension`" if alone else ""
            yield setting.finding(
                f"no `caption_extension`: sd-scripts looks for `.caption` files{elsewhere}",
                "set it to `.txt` if that is what you have",
                setting.write(".txt", safe=False),
            )
            return
