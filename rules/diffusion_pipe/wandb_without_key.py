from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Weights & Biases switched on without its three settings.

    Why: with `enable_wandb` the keys `wandb_api_key`, `wandb_tracker_name` and `wandb_run_name` are read without
    defaults: KeyError after caching and loading. An empty `wandb_api_key` falls back to `wandb login` and keeps the
    key out of the file, which is copied beside every saved LoRA.
    Instead: set all three.
    Sources: tdrussell/diffusion-pipe@8f83dbf train.py lines 560-566 and utils/saver.py line 87,
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    [monitoring]
    enable_wandb = true
    wandb_api_key = ""
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    [monitoring]
    enable_wandb = true
    wandb_api_key = ""
    wandb_tracker_name = "klein"
    wandb_run_name = "first"
    ```
    """
    enabled = plan.get("monitoring.enable_wandb")
    keys = ("wandb_api_key", "wandb_tracker_name", "wandb_run_name")
    missing = [key for key in keys if not plan.config.has(f"monitoring.{key}")]
    if enabled.value is True and missing:
        yield enabled.finding(
            f"`enable_wandb` without `{'`, `'.join(missing)}`: KeyError after caching and loading", "set all three keys"
        )
