from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented", trainer=("sd-scripts", "kohya_ss", "ai-toolkit", "OneTrainer"))
def check(plan: Plan) -> Iterator[Finding]:
    """SDXL's own VAE runs in fp16.

    Why: its activations overflow in fp16, so latents become NaN and samples black ("NaN detected in latents"); with
    cached latents the broken ones are trained on.
    Instead: keep the VAE in fp32 (`no_half_vae`), train in bf16, or use the fp16-safe VAE
    (madebyollin/sdxl-vae-fp16-fix).
    Sources: kohya-ss/sd-scripts#952 and #881, https://github.com/kohya-ss/sd-scripts/issues/952;
    bmaltais/kohya_ss#2674; huggingface/diffusers examples/dreambooth/README_sdxl.md

    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "/models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    learning_rate = 1e-4
    max_train_steps = 1500
    output_dir = "out"
    output_name = "zwx"
    mixed_precision = "fp16"
    cache_latents = true
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "/models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    learning_rate = 1e-4
    max_train_steps = 1500
    output_dir = "out"
    output_name = "zwx"
    mixed_precision = "fp16"
    no_half_vae = true
    cache_latents = true
    ```
    """
    compute, vae = plan.precision.compute, plan.precision.vae.value
    own = plan.vae.setting.value in (None, "")
    if plan.training and compute.written and compute.value == "fp16" and vae == "fp16" and own:
        yield compute.finding(
            "SDXL's own VAE overflows in fp16: latents become NaN and samples black",
            "keep the VAE in fp32, train in bf16, or use an fp16-safe VAE",
        )
