from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

SCRIPTS = ("train_text_to_image_lora_sdxl.py", "train_instruct_pix2pix_sdxl.py")


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""The schedule is as many times too long as gradients are accumulated.

    Why: these SDXL scripts build the schedule for micro-batches but step it once per update: a cosine or linear
    schedule gets through one N-th of its way with N accumulated batches, so the rate hardly falls, and a warm-up
    takes N times as long.
    Instead: use `--lr_scheduler constant` without warm-up, or no accumulation.
    Sources: huggingface/diffusers@58eb52c0 examples/text_to_image/train_text_to_image_lora_sdxl.py lines
    1020-1025, examples/instruct_pix2pix/train_instruct_pix2pix_sdxl.py line 963; accelerate
    (`AcceleratedScheduler.step` runs once per update)

    ```shell diffusers flagged
    accelerate launch train_text_to_image_lora_sdxl.py \
      --pretrained_model_name_or_path=stabilityai/stable-diffusion-xl-base-1.0 \
      --dataset_name=me/rings \
      --output_dir=out \
      --resolution=1024 \
      --rank=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --lr_scheduler=cosine \
      --gradient_accumulation_steps=4
    ```
    ```shell diffusers clean
    accelerate launch train_text_to_image_lora_sdxl.py \
      --pretrained_model_name_or_path=stabilityai/stable-diffusion-xl-base-1.0 \
      --dataset_name=me/rings \
      --output_dir=out \
      --resolution=1024 \
      --rank=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --lr_scheduler=constant \
      --gradient_accumulation_steps=4
    ```
    """
    schedule, accumulation = plan.get("lr_scheduler"), plan.accumulation.value
    processes = plan.processes.value or 1
    if plan.script not in SCRIPTS or not isinstance(accumulation, int) or accumulation <= processes:
        return
    if schedule.value in ("linear", "cosine", "cosine_with_restarts", "polynomial"):
        yield schedule.finding(
            f"the {schedule.value} schedule is built for {accumulation} times as many steps as are taken: the run ends "
            f"after {processes / accumulation:.0%} of it",
            "use `constant`, or no accumulation",
        )
