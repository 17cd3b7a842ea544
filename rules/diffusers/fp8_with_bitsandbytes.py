from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

SCRIPTS = ("train_dreambooth_lora_flux2_klein.py", "train_dreambooth_lora_flux2.py")


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""fp8 training and a bitsandbytes config exclude each other.

    Why: the script stops at start when both are given.
    Instead: keep one: `--do_fp8_training` needs an Ada or Hopper GPU (compute capability 8.9), bitsandbytes runs
    on older ones.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_flux2_klein.py lines
    760-761; README_flux2.md

    ```shell diffusers flagged
    accelerate launch train_dreambooth_lora_flux2_klein.py \
      --pretrained_model_name_or_path=black-forest-labs/FLUX.2-klein-base-4B \
      --instance_data_dir=dog \
      --output_dir=out \
      --instance_prompt="a photo of zwx dog" \
      --resolution=1024 \
      --rank=16 \
      --lora_alpha=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --text_encoder_out_layers 9 18 27 \
      --do_fp8_training \
      --bnb_quantization_config_path=nf4.json
    ```
    ```shell diffusers clean
    accelerate launch train_dreambooth_lora_flux2_klein.py \
      --pretrained_model_name_or_path=black-forest-labs/FLUX.2-klein-base-4B \
      --instance_data_dir=dog \
      --output_dir=out \
      --instance_prompt="a photo of zwx dog" \
      --resolution=1024 \
      --rank=16 \
      --lora_alpha=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --text_encoder_out_layers 9 18 27 \
      --bnb_quantization_config_path=nf4.json
    ```
    """
    fp8, config = plan.get("do_fp8_training"), plan.get("bnb_quantization_config_path")
    if fp8.value is True and config.written and plan.script in SCRIPTS:
        yield fp8.finding(
            "`--do_fp8_training` and `--bnb_quantization_config_path` exclude each other: the script stops at start",
            "keep one of them",
            fp8.remove(safe=False),
        )
