from collections.abc import Iterator

from lora_doctor.derived import dataset_lookups
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

KEYS = ("caption_prefix", "caption_suffix", "enable_wildcard", "secondary_separator", "keep_tokens_separator",
        "caption_dropout_every_n_epochs")  # fmt: skip


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Text encoder outputs are cached without the prefix, suffix or wildcards.

    Why: the cache encodes the caption as it stands in the file. What is done to captions later is left out: a
    `caption_prefix` with the trigger word is never trained, wildcards and separators are encoded as text.
    Instead: write the trigger word into the caption files, or do not cache.
    Sources: kohya-ss/sd-scripts@48d368fa library/strategy_sdxl.py line 267 and library/strategy_flux.py line 157
    (`info.caption`) against library/train_util.py line 821 `process_caption`; kohya-ss/sd-scripts#1750,
    https://github.com/kohya-ss/sd-scripts/issues/1750

    ```toml file dataset.toml
    [[datasets]]
    resolution = 1024
    [[datasets.subsets]]
    image_dir = "data/zwx"
    caption_extension = ".txt"
    caption_prefix = "zwx,"
    ```
    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    dataset_config = "dataset.toml"
    cache_text_encoder_outputs = true
    network_train_unet_only = true
    ```
    ```toml file dataset.toml
    [[datasets]]
    resolution = 1024
    [[datasets.subsets]]
    image_dir = "data/zwx"
    caption_extension = ".txt"
    caption_prefix = "zwx,"
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    dataset_config = "dataset.toml"
    network_train_unet_only = true
    ```
    """
    if not plan.training or not plan.cache_text.value or plan.model.family not in ("sdxl", "flux1"):
        return
    for setting in (find(key) for key in KEYS for find in dataset_lookups(plan)):
        if setting.written and setting.value:
            yield setting.finding(
                f"`{plan.cache_text.key}` encodes the caption files as they are: `{setting.key.rpartition('.')[2]}` "
                "is not in what is trained",
                "write it into the caption files, or do not cache text encoder outputs",
            )
