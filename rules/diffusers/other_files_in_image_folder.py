from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""The image folder holds files that are no images.

    Why: the DreamBooth scripts open everything in `--instance_data_dir` as an image: a caption file, a
    `.DS_Store`, a `metadata.jsonl` or a folder (`.cache`, which `snapshot_download` leaves behind) stops the run
    after the model is loaded. They read no caption files: every image gets the instance prompt.
    Instead: keep images only in this folder. For captions make a dataset (`metadata.jsonl` beside the images) and
    pass it with `--dataset_name FOLDER --caption_column text`.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_flux2_klein.py line 874,
    train_dreambooth_lora_sana.py line 747 (`Image.open` over `iterdir()`)

    ```files
    dog/1.png
    dog/2.png
    dog/1.txt: a photo of zwx dog
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
      --text_encoder_out_layers 9 18 27
    ```
    ```files
    dog/1.png
    dog/2.png
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
      --text_encoder_out_layers 9 18 27
    ```
    """
    if not plan.get("instance_data_dir").written:
        return
    for data in plan.datasets:
        listing = data.listing
        if listing is None or not data.folder.written:
            continue
        here = [name for name in (*listing.texts, *listing.others, *listing.unread_images) if "/" not in name]
        wrong = [*here, *(f"{name}/" for name in (*listing.folders, *listing.hidden))]
        if wrong:
            shown = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
            captions = "; caption files are not read" if listing.texts else ""
            yield data.folder.finding(
                f"{shown} in the image folder: the script opens everything there as an image and stops{captions}",
                "move it away" if not listing.texts else "pass a dataset with `--dataset_name` and `--caption_column`",
            )
