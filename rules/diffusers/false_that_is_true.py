from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""A flag given `False` stays on.

    Why: argparse turns the word into a boolean with `bool("False")`, which is True, as for any word that is not
    empty. The Prodigy switches can't be turned off on the command line.
    Instead: remove the flag (it is on by default), or change the default in the script.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_flux2_klein.py lines 635 and
    657-668 (`type=bool`)

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
      --optimizer=prodigy \
      --learning_rate=1.0 \
      --prodigy_safeguard_warmup=False
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
      --learning_rate=1.0 \
      --prodigy_safeguard_warmup=True
    ```
    """
    for key, setting in plan.config.written():
        known = plan.config.table.find(key)
        if known is not None and known.type == "bool|str" and str(setting.value).lower() in ("false", "0", "no", "off"):
            yield setting.finding(
                f"`--{key} {setting.value}` is true: argparse's `type=bool` takes any word for true",
                "remove it: it can't be switched off here",
                setting.remove(safe=False),
            )
