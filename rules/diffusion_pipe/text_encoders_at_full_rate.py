from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """SDXL's text encoders are trained at the UNet's rate.

    Why: diffusion-pipe always trains both encoders of SDXL; what is not given a rate of its own takes the
    optimiser's. They need less than the UNet and overfit first: the documented values give them half of it.
    Instead: set `text_encoder_1_lr` and `text_encoder_2_lr` in `[model]` to half the rate or less; 0 leaves them as
    they are.
    Sources: tdrussell/diffusion-pipe@8f83dbf models/sdxl.py lines 436-439 and 604-630, docs/supported_models.md
    "SDXL", https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "sdxl"
    checkpoint_path = "/models/sd_xl_base_1.0.safetensors"
    dtype = "bfloat16"
    [adapter]
    type = "lora"
    rank = 32
    [optimizer]
    type = "adamw_optimi"
    lr = 1e-4
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
    text_encoder_1_lr = 5e-5
    text_encoder_2_lr = 5e-5
    [adapter]
    type = "lora"
    rank = 32
    [optimizer]
    type = "adamw_optimi"
    lr = 1e-4
    ```
    """
    if plan.get("model.type").value != "sdxl":
        return
    rate, keys = plan.learning_rate.value, ("text_encoder_1_lr", "text_encoder_2_lr")
    missing = [key for key in keys if not plan.config.has(f"model.{key}")]
    if missing and isinstance(rate, (int, float)) and rate < 0.1 and not plan.get("force_constant_lr").written:
        yield plan.get(f"model.{missing[0]}").finding(
            f"no `{'` and no `'.join(missing)}`: SDXL's text encoders are trained at the full {rate:g}",
            f"set them to {rate / 2:g} or less, or to 0",
        )
