from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""A caption column for a plain folder of images is never read.

    Why: columns belong to datasets: with `--instance_data_dir` the script opens the images of a folder and gives
    every one of them `--instance_prompt`, whatever `--caption_column` says.
    Instead: write a `metadata.jsonl` beside the images and pass the folder with `--dataset_name` in place of
    `--instance_data_dir`.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_sana.py lines 700-749,
    train_dreambooth_lora_flux2_klein.py lines 815-875

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
      --caption_column=text
    ```
    ```shell diffusers clean
    accelerate launch train_dreambooth_lora_flux2_klein.py \
      --pretrained_model_name_or_path=black-forest-labs/FLUX.2-klein-base-4B \
      --dataset_name=dog \
      --output_dir=out \
      --instance_prompt="a photo of zwx dog" \
      --resolution=1024 \
      --rank=16 \
      --lora_alpha=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --text_encoder_out_layers 9 18 27 \
      --caption_column=text
    ```
    """
    column, folder = plan.get("caption_column"), plan.get("instance_data_dir")
    if column.written and folder.written and not plan.config.has("dataset_name"):
        yield column.finding(
            "`--instance_data_dir` has no columns: every image gets the instance prompt",
            "pass a dataset with `--dataset_name`, or remove the flag",
        )
