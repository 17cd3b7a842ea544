from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Validation images are drawn from another noise each time.

    Why: without `--seed` the images of two checkpoints differ by their noise as much as by the training, so they
    can't be compared.
    Instead: set `--seed`.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_sana.py (`log_validation`: a
    generator only with a seed)

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
      --validation_prompt="a photo of zwx dog"
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
      --validation_prompt="a photo of zwx dog" \
      --seed=0
    ```
    """
    seed, prompt = plan.get("seed"), plan.validation.prompts
    if prompt.written and not plan.config.has("seed") and not plan.config.open:
        yield seed.finding(
            "no seed: validation images start from another noise each time and can't be compared",
            "set `--seed`",
            seed.write(0, safe=False),
        )
