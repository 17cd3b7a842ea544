from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

SCRIPTS = (
    "train_dreambooth_lora_sana.py",
    "train_dreambooth_lora_flux.py",
    "train_dreambooth_lora_flux_advanced.py",
    "train_dreambooth_lora_sdxl_advanced.py",
    "train_dreambooth_lora_sd15_advanced.py",
    "train_dreambooth_lora_sd3.py",
    "train_dreambooth_lora_lumina2.py",
    "train_dreambooth_lora_flux2_klein_img2img.py",
    "train_dreambooth_lora_flux2_img2img.py",
    "train_dreambooth_lora_z_image.py",
)


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Every GPU trains on the same first part of the latent cache.

    Why: each process caches the latents of all images before the data are divided, and then reads only as many as
    its share of an epoch has steps: with N GPUs the first N-th of the cache. With `--seed` all processes draw the
    same order, so they train on the same images and the others are never seen.
    Instead: leave `--cache_latents` out, or use one GPU.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_sana.py lines 1265-1300 and
    1387 (cache before `accelerator.prepare`, read by step)

    ```shell diffusers flagged
    accelerate launch --num_processes=2 train_dreambooth_lora_sana.py \
      --pretrained_model_name_or_path=Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers \
      --instance_data_dir=dog \
      --output_dir=out \
      --instance_prompt="a photo of zwx ring" \
      --resolution=1024 \
      --rank=16 \
      --lora_alpha=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --cache_latents
    ```
    ```shell diffusers clean
    accelerate launch --num_processes=1 train_dreambooth_lora_sana.py \
      --pretrained_model_name_or_path=Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers \
      --instance_data_dir=dog \
      --output_dir=out \
      --instance_prompt="a photo of zwx ring" \
      --resolution=1024 \
      --rank=16 \
      --lora_alpha=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --cache_latents
    ```
    """
    processes = plan.processes.value
    if plan.script not in SCRIPTS or not plan.cache_latents.value or not isinstance(processes, int) or processes < 2:
        return
    yield plan.cache_latents.finding(
        f"{processes} processes and a latent cache read by step: each process trains only on the first "
        f"{1 / processes:.0%} of its cache",
        "remove `--cache_latents`, or use one GPU",
        plan.cache_latents.remove(safe=False),
    )
