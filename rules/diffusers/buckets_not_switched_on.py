from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""A list of buckets without the switch that turns buckets on.

    Why: `--aspect_ratio_buckets` alone raises a ValueError in the current scripts, after the model is loaded.
    Copies from before the switch existed take it without.
    Instead: add `--use_aspect_ratio_buckets`; with an older copy of the script ignore the finding.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_flux2_klein.py line 1495

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
      --aspect_ratio_buckets="1024,1024;768,1344"
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
      --aspect_ratio_buckets="1024,1024;768,1344" \
      --use_aspect_ratio_buckets
    ```
    """
    buckets, switch = plan.get("aspect_ratio_buckets"), plan.get("use_aspect_ratio_buckets")
    if buckets.written and switch.value is False:
        yield buckets.finding(
            "buckets are listed but not switched on: current scripts stop after loading the model",
            "add `--use_aspect_ratio_buckets`",
            switch.write(True, safe=False),
        )
