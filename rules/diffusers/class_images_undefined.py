from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Prior preservation without its folder or its prompt.

    Why: `--with_prior_preservation` needs `--class_data_dir` (where the class images lie or are generated) and
    `--class_prompt`; without one of them the script stops at start.
    Instead: add the missing flag.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_flux2_klein.py lines 767-771

    ```shell diffusers flagged
    accelerate launch train_dreambooth_lora_sdxl.py \
      --pretrained_model_name_or_path=stabilityai/stable-diffusion-xl-base-1.0 \
      --instance_data_dir=dog \
      --output_dir=out \
      --instance_prompt="a photo of zwx dog" \
      --resolution=1024 \
      --rank=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --with_prior_preservation \
      --class_prompt="a photo of a dog"
    ```
    ```shell diffusers clean
    accelerate launch train_dreambooth_lora_sdxl.py \
      --pretrained_model_name_or_path=stabilityai/stable-diffusion-xl-base-1.0 \
      --instance_data_dir=dog \
      --output_dir=out \
      --instance_prompt="a photo of zwx dog" \
      --resolution=1024 \
      --rank=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --with_prior_preservation \
      --class_prompt="a photo of a dog" \
      --class_data_dir=class
    ```
    """
    if plan.get("with_prior_preservation").value is not True or plan.config.open:
        return
    missing = [key for key in ("class_data_dir", "class_prompt") if not plan.config.has(key)]
    if missing:
        names = " and ".join(f"`--{key}`" for key in missing)
        yield plan.get("with_prior_preservation").finding(
            f"prior preservation without {names}: the script stops at start", f"set {names}"
        )
