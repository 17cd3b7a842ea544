from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Flips are drawn once per image, not once per step.

    Why: the DreamBooth scripts crop and flip every image while loading it: an image is seen flipped in every
    epoch or in none, and faces, text and logos are learned mirrored for half of the set. `--repeats` draws once
    per copy.
    Instead: leave `--random_flip` out for subjects that are not symmetric; with `--repeats` both sides are seen.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_flux2_klein.py lines
    895-925, train_dreambooth_lora_sana.py lines 770-790

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
      --random_flip
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
      --random_flip \
      --repeats=10
    ```
    """
    flip, repeats = plan.get("random_flip"), plan.get("repeats")
    if flip.value is True and "dreambooth" in plan.script and repeats.value == 1:
        yield flip.finding(
            "each image is flipped or not once, while loading: it is seen the same way in every epoch",
            "leave it out, or set `--repeats`",
        )
