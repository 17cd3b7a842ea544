from collections.abc import Iterator
from math import ceil

from lora_doctor.derived import samples_per_epoch, total_steps
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

MANY = 60  # validations in one run; recipes come to about ten


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Validation images are drawn hardly ever, or all the time.

    Why: `--validation_epochs` counts epochs, and with few images an epoch is a few steps: 25 epochs of five
    images are 125 steps, of 500 images 12,500. Each validation loads a whole pipeline, and the first is drawn
    after the first epoch.
    Instead: set `--validation_epochs` to about a tenth of the run's epochs.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_sana.py (`epoch %
    args.validation_epochs == 0`); huggingface/diffusers@58eb52c0 examples/dreambooth/README_sana.md (25 epochs,
    500 steps)

    ```files
    dog/1.png
    dog/2.png
    dog/3.png
    dog/4.png
    dog/5.png
    ```
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
      --validation_prompt="a photo of zwx dog" \
      --validation_epochs=1
    ```
    ```files
    dog/1.png
    dog/2.png
    dog/3.png
    dog/4.png
    dog/5.png
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
      --validation_epochs=50
    ```
    """
    every, samples, steps = plan.validation.every_epochs, samples_per_epoch(plan), total_steps(plan)
    numbers = (plan.batch_size.value, plan.accumulation.value, every.value)
    batch, accumulation, epochs_between = (number if isinstance(number, int) else 0 for number in numbers)
    if not plan.validation.prompts.written or not samples or not steps or min(batch, accumulation, epochs_between) < 1:
        return
    epochs = ceil(steps / max(1, ceil(ceil(samples / batch) / accumulation)))
    drawn = ceil(epochs / epochs_between)
    tenth = max(1, epochs // 10)
    if drawn > MANY:
        yield every.finding(
            f"{epochs:,} epochs in this run, validated every {every.value}: {drawn} validations, each loads a pipeline",
            f"set `--validation_epochs` to about {tenth}",
            every.write(tenth, safe=False),
        )
    elif drawn == 1 and epochs > 3:
        yield every.finding(
            f"{epochs} epochs in this run, validated every {every.value}: images after the first epoch and at the end",
            f"set `--validation_epochs` to about {tenth}",
            every.write(tenth, safe=False),
        )
