from collections.abc import Iterator
from difflib import get_close_matches

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

SWITCHES = ("train_t5xxl", "split_qkv", "verbose")
PLUS = {
    "loraplus_lr_ratio", "loraplus_unet_lr_ratio", "loraplus_text_encoder_lr_ratio", "rank_dropout", "module_dropout",
}  # fmt: skip
_BLOCKS = {
    "conv_dim", "conv_alpha", "block_dims", "block_alphas", "conv_block_dims", "conv_block_alphas", "down_lr_weight",
    "mid_lr_weight", "up_lr_weight", "block_lr_zero_threshold",
}  # fmt: skip
# What each module's `create_network` reads, at 0.10.1 and 0.11.1
READ: dict[str, set[str]] = {
    "networks.lora": _BLOCKS,
    "networks.lora_fa": _BLOCKS,
    "networks.dylora": {"conv_dim", "conv_alpha", "unit"},
    "networks.lora_flux": {
        "conv_dim", "conv_alpha", "train_t5xxl", "split_qkv", "verbose", "train_blocks", "train_double_block_indices",
        "train_single_block_indices", "img_attn_dim", "txt_attn_dim", "img_mlp_dim", "txt_mlp_dim", "img_mod_dim",
        "txt_mod_dim", "single_dim", "single_mod_dim", "in_dims", "ggpo_sigma", "ggpo_beta", "network_reg_dims",
        "network_reg_lrs",
    },
    "networks.lora_sd3": {
        "conv_dim", "conv_alpha", "train_t5xxl", "split_qkv", "verbose", "train_block_indices", "context_attn_dim",
        "context_mlp_dim", "context_mod_dim", "x_attn_dim", "x_mlp_dim", "x_mod_dim", "emb_dims",
    },
}  # fmt: skip


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A `network_args` name or value that this network module does not read.

    Why: the module takes the names it knows out of `**kwargs` and says nothing of the rest, so a misspelt name, one of
    another module, or `true` where it compares with "True" leaves the default in place.
    Instead: use the name in the message; write `True` with a capital.
    Sources: kohya-ss/sd-scripts@48d368fa networks/lora.py, lora_flux.py line 561 and the others (`create_network`),
    https://github.com/kohya-ss/sd-scripts

    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/flux1-dev.safetensors"
    network_module = "networks.lora_flux"
    network_dim = 16
    network_alpha = 16
    network_args = ["train_t5xxl=true"]
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/flux1-dev.safetensors"
    network_module = "networks.lora_flux"
    network_dim = 16
    network_alpha = 16
    network_args = ["train_t5xxl=True", "train_blocks=single"]
    ```
    """
    setting, module = plan.argument("network_args"), str(plan.argument("network_module").value)
    known = READ.get(module)
    if not plan.training or known is None or not isinstance(setting.value, list) or plan.handed is not None:
        return
    for word in (word for word in setting.value if isinstance(word, str) and "=" in word):
        name, _, value = word.partition("=")
        if name not in known | PLUS:
            close = get_close_matches(name, known | PLUS, n=1, cutoff=0.7)
            yield setting.finding(
                f"`{module}` does not read `{name}`: it is ignored",
                f"did you mean `{close[0]}`?" if close else "remove it",
            )
        elif name in SWITCHES and value != "True":
            if value.lower() in ("true", "1", "yes", "on"):
                yield setting.finding(
                    f"`{word}` counts as off: only exactly `True` switches it on", f"write `{name}=True`"
                )
