import re
from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

KEYS = ("token", "api_key", "apikey", "secret", "password", "access_key")
TOKEN = re.compile(r"^(hf_[A-Za-z0-9]{20,}|[0-9a-f]{40}|wandb_v1_\w{20,}|sk-[\w-]{20,}|r8_\w{20,}|ghp_\w{20,})$")
NO_SECRET = re.compile(r"^(|none|null|true|false|your.*|xxx.*|<.*>|\$.*|\.\.\.|changeme|path/.*)$", re.I)


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A token or key is written into the config.

    Why: configs are committed, shared and copied: diffusion-pipe puts its config, key included, beside every saved
    LoRA; command lines end up in logs and shell histories.
    Instead: log in once (`hf auth login`, `wandb login`) or set HF_TOKEN / WANDB_API_KEY in the environment, and revoke
    a key that has been shared. The value is never printed here.
    Sources: tdrussell/diffusion-pipe@8f83dbf train.py (the config is copied into the run folder and beside each
    checkpoint); huggingface/diffusers@58eb52c0 examples (`--hub_token`)

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "sdxl"
    checkpoint_path = "/models/sd_xl_base_1.0.safetensors"
    dtype = "bfloat16"
    [monitoring]
    enable_wandb = true
    wandb_api_key = "0123456789abcdef0123456789abcdef01234567"
    wandb_tracker_name = "zwx"
    wandb_run_name = "zwx"
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "sdxl"
    checkpoint_path = "/models/sd_xl_base_1.0.safetensors"
    dtype = "bfloat16"
    ```
    """
    for config in plan.configs:
        for key, setting in config.written():
            value, name = setting.value, key.rpartition(".")[2].lower()
            if not isinstance(value, str) or NO_SECRET.match(value):
                continue
            named = any(name == word or name.endswith(f"_{word}") for word in KEYS) and len(value) >= 8
            if named or TOKEN.match(value):
                finding = setting.finding(
                    f"`{setting.key}` holds a secret in plain text: configs are shared, copied and logged",
                    "take it from the environment, and revoke it if this file was shared",
                )
                yield finding._replace(value=None, private=True)
