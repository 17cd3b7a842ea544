from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""A validation split for a script that has no validation.

    Why: the scripts for full fine-tuning read the dataset config and hold the images back, but never evaluate them:
    they are simply not trained on.
    Instead: take the split out. Validation works in the `*_train_network.py` scripts.
    Sources: kohya-ss/sd-scripts@48d368fa sdxl_train.py line 179, flux_train.py line 141 (`val_dataset_group` is not
    used); kohya-ss/sd-scripts#2118, https://github.com/kohya-ss/sd-scripts/issues/2118

    ```toml file dataset.toml
    [[datasets]]
    resolution = 1024
    validation_split = 0.1
    validation_seed = 7
    [[datasets.subsets]]
    image_dir = "data/zwx"
    caption_extension = ".txt"
    ```
    ```shell sd-scripts flagged
    accelerate launch flux_train.py --pretrained_model_name_or_path models/flux1-dev.safetensors \
      --clip_l models/clip_l.safetensors --t5xxl models/t5xxl_fp16.safetensors --ae models/ae.safetensors \
      --dataset_config dataset.toml --output_dir out --learning_rate 5e-6 --max_train_epochs 10
    ```
    ```toml file dataset.toml
    [[datasets]]
    resolution = 1024
    validation_split = 0.1
    validation_seed = 7
    [[datasets.subsets]]
    image_dir = "data/zwx"
    caption_extension = ".txt"
    ```
    ```shell sd-scripts clean
    accelerate launch flux_train_network.py --pretrained_model_name_or_path models/flux1-dev.safetensors \
      --clip_l models/clip_l.safetensors --t5xxl models/t5xxl_fp16.safetensors --ae models/ae.safetensors \
      --dataset_config dataset.toml --output_dir out --network_module networks.lora_flux --learning_rate 1e-4
    ```
    """
    if plan.kind != "finetune" or not plan.script:
        return
    for config in plan.dataset_configs:
        for key, setting in config.written():
            if config.table.name == "dataset" and key.endswith(".validation_split") and setting.value:
                yield setting.finding(
                    f"`{plan.script}` holds these images back and never evaluates them: they are only not trained on",
                    "take the split out",
                    setting.remove(safe=False),
                )
