from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""A dataset without `--caption_column`: its captions are not used.

    Why: without the flag every image is trained with `--instance_prompt`; a line at level INFO is all that says
    so. It is right for a dataset that has images only.
    Instead: add `--caption_column` with the name of the column, if the dataset has captions.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_flux2_klein.py lines
    850-857; README_flux2.md (`--caption_column="prompt"`)

    ```shell diffusers flagged
    accelerate launch train_dreambooth_lora_flux2_klein.py \
      --pretrained_model_name_or_path=black-forest-labs/FLUX.2-klein-base-4B \
      --dataset_name=linoyts/3d_icon \
      --output_dir=out \
      --instance_prompt="a photo of zwx dog" \
      --resolution=1024 \
      --rank=16 \
      --lora_alpha=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --text_encoder_out_layers 9 18 27
    ```
    ```shell diffusers clean
    accelerate launch train_dreambooth_lora_flux2_klein.py \
      --pretrained_model_name_or_path=black-forest-labs/FLUX.2-klein-base-4B \
      --dataset_name=linoyts/3d_icon \
      --output_dir=out \
      --instance_prompt="a photo of zwx dog" \
      --resolution=1024 \
      --rank=16 \
      --lora_alpha=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --text_encoder_out_layers 9 18 27 \
      --caption_column=prompt
    ```
    """
    dataset, column = plan.get("dataset_name"), plan.get("caption_column")
    if dataset.written and dataset.value and "caption_column" in plan.config.table.keys and not plan.config.open:
        if column.value is None and not plan.config.has("caption_column"):
            yield dataset.finding(
                f"`{dataset.value}` without `--caption_column`: if it has captions they are ignored and every image "
                "gets the instance prompt",
                "name the column with `--caption_column`",
            )
