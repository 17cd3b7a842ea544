from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Steps and epochs are both given: the epochs are ignored.

    Why: `--max_train_steps` wins and the number of epochs is computed from it.
    Instead: keep the one you mean.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_flux2_klein.py lines
    1699-1710

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
      --num_train_epochs=20
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
      --checkpointing_steps=100 \
      --text_encoder_out_layers 9 18 27 \
      --num_train_epochs=20
    ```
    """
    epochs, steps = plan.get("num_train_epochs"), plan.get("max_train_steps")
    if epochs.written and steps.written and epochs.value != 1:
        yield epochs.finding(
            f"`--max_train_steps {steps.value}` decides: `--num_train_epochs {epochs.value}` is ignored",
            "keep one of them",
            epochs.remove(safe=False),
        )
