from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """The text encoder is trained faster than the denoiser.

    Why: text encoders overfit first: prompts stop meaning what they meant while the images still improve. Recipes train
    them at a half to a tenth of the UNet's rate, or stop early.
    Instead: a half or less; or leave the text encoder alone.
    Sources: huggingface/blog#1665, the advanced SDXL training article,
    https://github.com/huggingface/blog/pull/1665; tdrussell/diffusion-pipe docs/supported_models.md (4e-5 and
    2e-5); spacepxl, https://github.com/spacepxl/demystifying-sd-finetuning

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "stabilityai/stable-diffusion-xl-base-1.0"
    [adapter]
    text_encoder = true
    [optimizer]
    learning_rate = 1e-4
    text_encoder_learning_rate = 2e-4
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "stabilityai/stable-diffusion-xl-base-1.0"
    [adapter]
    text_encoder = true
    [optimizer]
    learning_rate = 1e-4
    text_encoder_learning_rate = 3e-5
    ```
    """
    own, unet = plan.optimizer.text_encoder_learning_rate, plan.learning_rate
    rates = own.value, unet.value
    if not plan.training or plan.train_text_encoder.value is not True or not own.written:
        return
    if not all(isinstance(rate, (int, float)) and 0 < rate < 0.1 for rate in rates):
        return  # 1.0 belongs to optimisers that find their own rate
    if float(own.value or 0) > float(unet.value or 0):
        yield own.finding(
            f"the text encoder is trained at {own.value:g}, faster than the denoiser at {unet.value:g}: prompts lose "
            "their meaning first",
            f"use {float(unet.value or 0) / 2:g} or less",
            own.write(float(unet.value or 0) / 2, safe=False),
        )
