from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""An optimiser this script does not know: AdamW is used instead.

    Why: the scripts know AdamW and Prodigy; any other name is replaced by AdamW after one warning line, so a rate
    chosen for Lion or Adafactor meets another optimiser.
    Instead: use `AdamW` (with `--use_8bit_adam` for bitsandbytes' 8-bit one) or `prodigy`.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_flux2_klein.py lines
    1434-1439

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
      --optimizer=lion
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
      --optimizer=prodigy \
      --learning_rate=1.0
    ```
    """
    given = plan.get("optimizer")
    if given.written and isinstance(given.value, str) and given.value.lower() not in ("adamw", "prodigy"):
        yield given.finding(
            f"`{given.value}` is none of the script's optimisers: AdamW is used instead, after a warning in the log",
            "use `AdamW` or `prodigy`",
            given.write("AdamW", safe=False),
        )
