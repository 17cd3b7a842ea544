from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""The checkpoint to resume from is at the end of the run or past it.

    Why: `--max_train_steps` counts from the first run's start: resumed at that step or later, the loop ends at
    once and the old weights are saved again (or the script stops at the final validation, where the epoch is not
    set).
    Instead: raise `--max_train_steps` above the checkpoint's step.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_flux2_klein.py lines
    1755-1790

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
      --resume_from_checkpoint=checkpoint-1000
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
      --resume_from_checkpoint=checkpoint-500
    ```
    """
    resume, steps = plan.saving.resume, plan.steps
    step = str(resume.value or "").rstrip("/").rpartition("checkpoint-")[2]
    if resume.written and step.isdecimal() and isinstance(steps.value, int) and int(step) >= steps.value:
        yield resume.finding(
            f"the checkpoint is at step {int(step):,} and the run ends at {steps.value:,}: nothing is trained",
            f"set `--max_train_steps` above {int(step):,}",
        )
