from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Resuming takes rate and schedule from the checkpoint.

    Why: `accelerator.load_state` restores optimiser and scheduler, so a new `--learning_rate` or `--lr_scheduler`
    on the command line has no effect on the rest of the run.
    Instead: start a new run from the weights to train on at another rate.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_flux2_klein.py
    (`accelerator.load_state`)

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
      --resume_from_checkpoint=latest \
      --learning_rate=5e-5
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
      --learning_rate=5e-5
    ```
    """
    rate = plan.get("learning_rate")
    if plan.saving.resume.written and rate.written:
        yield rate.finding(
            f"the run resumes: optimiser and schedule come from the checkpoint, {rate.value} has no effect if new",
            "start a new run to change the rate",
        )
