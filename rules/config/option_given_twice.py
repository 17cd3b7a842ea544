from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""An option is given twice on one command line: the last one counts.

    Why: argparse keeps the later value without a word, so the one you read first is not the one that is trained with.
    Instead: remove one of them.
    Sources: Python's argparse (each occurrence overwrites the one before)

    ```shell diffusers flagged
    accelerate launch train_dreambooth_lora_flux2_klein.py \
      --pretrained_model_name_or_path=black-forest-labs/FLUX.2-klein-base-4B \
      --text_encoder_out_layers 9 18 27 \
      --instance_data_dir=dog \
      --instance_prompt="a photo of zwx dog" \
      --rank=16 --lora_alpha=16 \
      --learning_rate=1e-4 \
      --learning_rate=1e-5
    ```
    ```shell diffusers clean
    accelerate launch train_dreambooth_lora_flux2_klein.py \
      --pretrained_model_name_or_path=black-forest-labs/FLUX.2-klein-base-4B \
      --text_encoder_out_layers 9 18 27 \
      --instance_data_dir=dog \
      --instance_prompt="a photo of zwx dog" \
      --rank=16 --lora_alpha=16 \
      --learning_rate=1e-4
    ```
    """
    for config in plan.configs:
        keys = [setting.key for setting in config.repeated]
        for setting in config.repeated:
            last = config.settings[setting.key.removeprefix("--")]
            if setting.written and last.written and setting.value != last.value:
                yield setting.finding(
                    f"`{setting.key}` is given twice: {setting.value} here, {last.value} later, which is what counts",
                    "remove one of them",
                    setting.remove(safe=False) if keys.count(setting.key) == 1 else None,
                )
