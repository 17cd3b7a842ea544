from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Min-SNR weighting and EDM-style training exclude each other.

    Why: the SDXL scripts raise a ValueError when both are given.
    Instead: keep one of them.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_sdxl.py line 990

    ```shell diffusers flagged
    accelerate launch train_dreambooth_lora_sdxl.py \
      --pretrained_model_name_or_path=stabilityai/stable-diffusion-xl-base-1.0 \
      --instance_data_dir=dog \
      --output_dir=out \
      --instance_prompt="a photo of zwx dog" \
      --resolution=1024 \
      --rank=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --do_edm_style_training \
      --snr_gamma=5
    ```
    ```shell diffusers clean
    accelerate launch train_dreambooth_lora_sdxl.py \
      --pretrained_model_name_or_path=stabilityai/stable-diffusion-xl-base-1.0 \
      --instance_data_dir=dog \
      --output_dir=out \
      --instance_prompt="a photo of zwx dog" \
      --resolution=1024 \
      --rank=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --snr_gamma=5
    ```
    """
    gamma, edm = plan.get("snr_gamma"), plan.get("do_edm_style_training")
    if gamma.written and edm.value is True:
        yield gamma.finding(
            "`--snr_gamma` with `--do_edm_style_training`: the script stops at start",
            "keep one of them",
            gamma.remove(safe=False),
        )
