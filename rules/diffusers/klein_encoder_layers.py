from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

SCRIPT = "train_dreambooth_lora_flux2_klein.py"
RIGHT = [9, 18, 27]


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Klein is trained on text features that inference never makes.

    Why: The Klein script joins the hidden states 10, 20 and 30 of Qwen3, which are FLUX.2-dev's layers; every
    Klein pipeline reads 9, 18 and 27. Nothing fails and the script's own validation images use the same wrong
    layers, so the run looks fine and the LoRA is off everywhere else (one user counts 72 GPU hours).
    Instead: add `--text_encoder_out_layers 9 18 27`. The img2img script has no such flag and is right.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_flux2_klein.py line 359,
    src/diffusers/pipelines/flux2/pipeline_flux2_klein.py line 215; huggingface/diffusers#13445,
    https://github.com/huggingface/diffusers/issues/13445

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
      --checkpointing_steps=100
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
    layers = plan.get("text_encoder_out_layers")
    if plan.script != SCRIPT or layers.value in (None, RIGHT) or plan.model.family not in ("flux2-klein", None):
        return
    shown = " ".join(str(layer) for layer in layers.value) if isinstance(layers.value, list) else str(layers.value)
    origin = "" if layers.written else " (the script's default)"
    yield layers.finding(
        f"text-encoder layers {shown}{origin}: Klein pipelines read 9 18 27, so the LoRA learns from features that "
        "inference never makes",
        "set `--text_encoder_out_layers 9 18 27`",
        layers.write(RIGHT),
    )
