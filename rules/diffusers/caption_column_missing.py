from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""The local dataset has no captions the script could find.

    Why: a folder is read as a dataset of images; its caption column comes from a `metadata.jsonl`, `.csv` or
    `.parquet` beside them. Without that file the column in the message does not exist and the script stops after
    loading the model; `.txt` files are not read.
    Instead: write a `metadata.jsonl` with one line per image: `{"file_name": "1.png", "text": "..."}`.
    Sources: examples/text_to_image/train_text_to_image_lora_sdxl.py lines 892-906; huggingface/diffusers@58eb52c0
    examples/dreambooth/train_dreambooth_lora_sana.py line 735; Hugging Face datasets documentation, ImageFolder

    ```files
    rings/1.png
    rings/1.txt: a ring
    ```
    ```shell diffusers flagged
    accelerate launch train_text_to_image_lora_sdxl.py \
      --pretrained_model_name_or_path=stabilityai/stable-diffusion-xl-base-1.0 \
      --train_data_dir=rings \
      --output_dir=out \
      --resolution=1024 \
      --rank=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100
    ```
    ```files
    rings/1.png
    rings/metadata.jsonl: {"file_name": "1.png", "text": "a ring"}
    ```
    ```shell diffusers clean
    accelerate launch train_text_to_image_lora_sdxl.py \
      --pretrained_model_name_or_path=stabilityai/stable-diffusion-xl-base-1.0 \
      --train_data_dir=rings \
      --output_dir=out \
      --resolution=1024 \
      --rank=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100
    ```
    """
    column = plan.get("caption_column")
    for data in plan.datasets:
        listing = data.listing
        if listing is None or data.caption_source.value != "column" or column.value is None or not listing.images:
            continue
        tables = [name for name in listing.others if name.rpartition("/")[2].startswith("metadata.")]
        if not tables and not any(name.endswith((".parquet", ".arrow", ".jsonl", ".csv")) for name in listing.others):
            texts = f"; {len(listing.texts)} .txt files are not read" if listing.texts else ""
            yield data.folder.finding(
                f"no metadata file beside the {len(listing.images)} images: there is no column `{column.value}`, so "
                f"the script stops{texts}",
                "write a `metadata.jsonl`",
            )
