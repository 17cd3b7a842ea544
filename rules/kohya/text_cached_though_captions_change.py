from collections.abc import Iterator

from lora_doctor.derived import dataset_lookups
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

KEYS = ("shuffle_caption", "caption_dropout_rate", "caption_tag_dropout_rate", "token_warmup_step")


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Text encoder outputs are cached, but captions are to change while training.

    Why: a cached output belongs to one caption. With `shuffle_caption`, caption dropout, tag dropout or token warm-up
    an assertion stops the run at start.
    Instead: switch off one of the two. Shuffled captions need the text encoder in memory.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py line 1102 `is_text_encoder_output_cacheable`;
    kohya-ss/sd-scripts#886 and #1460, https://github.com/kohya-ss/sd-scripts/issues/886

    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    cache_text_encoder_outputs = true
    network_train_unet_only = true
    shuffle_caption = true
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    cache_text_encoder_outputs = true
    network_train_unet_only = true
    shuffle_caption = false
    ```
    ```json kohya_ss flagged
    {"LoRA_type": "Flux1", "flux1_checkbox": true, "flux1_cache_text_encoder_outputs": true, "network_dim": 16,
     "caption_dropout_rate": 0.05, "network_alpha": 16, "max_resolution": "1024,1024"}
    ```
    """
    if not plan.training or not plan.cache_text.value or plan.model.family not in ("sdxl", "flux1"):
        return
    for setting in (find(key) for key in KEYS for find in dataset_lookups(plan)):
        if setting.written and isinstance(setting.value, (bool, int, float)) and setting.value > 0:
            yield setting.finding(
                f"`{setting.key}` changes captions while training, but `{plan.cache_text.key}` keeps one output of "
                "each: an assertion stops the run at start",
                "switch one of them off",
            )
