import re
from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Document, Finding, Place, Span, rule

KEYS = ("token", "api_key", "apikey", "secret", "password", "access_key")
TOKEN = re.compile(r"^(hf_[A-Za-z0-9]{20,}|[0-9a-f]{40}|wandb_v1_\w{20,}|sk-[\w-]{20,}|r8_\w{20,}|ghp_\w{20,})$")
HUB_TOKEN = re.compile(rb"\bhf_[A-Za-z0-9]{30,}\b")
RISK = "in plain text: configs are shared, copied and logged"
ACTION = "take it from the environment, and revoke it if this file was shared"
NO_SECRET = re.compile(
    r"^(|none|null|true|false|your.*|xxx.*|<.*>|\$.*|\.\.\.|changeme|path/.*|xyz-.*|.*(example|placeholder|replace).*)$",
    re.I,
)


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
    ```shell diffusers flagged
    export HF_TOKEN=hf_abcdefghijklmnopqrstuvwxyzABCDEFGH
    accelerate launch train_dreambooth_lora_sdxl.py \\
      --pretrained_model_name_or_path=stabilityai/stable-diffusion-xl-base-1.0 \\
      --instance_data_dir=data/zwx --output_dir=out --instance_prompt="a photo of zwx" --rank=16
    ```
    ```shell diffusers clean
    export HF_TOKEN=$(cat ~/.token)
    accelerate launch train_dreambooth_lora_sdxl.py \\
      --pretrained_model_name_or_path=stabilityai/stable-diffusion-xl-base-1.0 \\
      --instance_data_dir=data/zwx --output_dir=out --instance_prompt="a photo of zwx" --rank=16
    ```
    ```shell sd-scripts clean
    TOKEN="zwx8klmp"
    accelerate launch sdxl_train_network.py --pretrained_model_name_or_path sdxl.safetensors --output_dir out \
      --network_module networks.lora --network_dim 16 --train_data_dir "data/10_$TOKEN"
    ```
    ```json SimpleTuner clean
    [{"id": "zwx", "type": "aws", "aws_bucket_name": "zwx", "aws_secret_access_key": "xyz-sdajkhfhakhfjd"}]
    ```
    """
    seen: set[tuple[str, int]] = set()
    for config in plan.configs:
        for key, setting in config.written():
            if isinstance(setting.value, str) and _is_secret(key.rpartition(".")[2], setting.value):
                seen.add((config.document.name, setting.place.span.start if setting.place else 0))
                found = setting.finding(f"`{setting.key}` holds a secret {RISK}", ACTION)
                yield found._replace(value=None, private=True)
    for document in dict.fromkeys(config.document for config in plan.configs):
        for name, place in _elsewhere(document):
            if (document.name, place.span.start) not in seen:
                yield Finding(place, f"`{name}` holds a secret {RISK}", ACTION, name, private=True)


def _is_secret(name: str, value: str) -> bool:
    if NO_SECRET.match(value):
        return False
    least = 20 if name.lower().endswith("token") else 8  # a shorter token is a trigger word
    named = any(name.lower() == word or name.lower().endswith(f"_{word}") for word in KEYS) and len(value) >= least
    return named or bool(TOKEN.match(value))


def _elsewhere(document: Document) -> Iterator[tuple[str, Place]]:
    """Variables of a script, and hub tokens in comments or wherever else they stand."""
    covered: list[Span] = []
    for path, entry in document.entries.items():
        if path[:1] == ("env",) and entry.literal and _is_secret(str(path[1]), str(entry.value)):
            covered.append(entry.span)
            yield str(path[1]), Place(document, entry.span, path)
    for match in HUB_TOKEN.finditer(document.text):
        span = Span(*match.span())
        if not any(start <= span.start < end for start, end in covered):
            yield "a hub token", Place(document, span)
