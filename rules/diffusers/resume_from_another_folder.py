from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""The checkpoint to resume from is looked for in another folder.

    Why: the scripts take only the last part of `--resume_from_checkpoint` and look for it in `--output_dir`: a
    path to another run's checkpoint is not found (the run stops after loading), or another checkpoint of that
    name is taken.
    Instead: set `--output_dir` to the folder the checkpoint lies in, or copy the checkpoint there, and give its
    name or `latest`.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_flux2_klein.py lines
    1735-1760 (`os.path.basename`)

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
      --resume_from_checkpoint=/runs/first/checkpoint-500
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
    resume, folder = plan.saving.resume, plan.saving.folder
    if not resume.written or not isinstance(resume.value, str) or resume.value in ("", "latest"):
        return
    parent, _, name = resume.value.rpartition("/")
    if not name:
        yield resume.finding(
            f"`{resume.value}` ends in a slash: the script takes what stands behind it, which is nothing",
            "remove the slash",
            resume.write(resume.value.rstrip("/"), safe=False),
        )
    elif parent and isinstance(folder.value, str) and _plain(parent) != _plain(folder.value):
        yield resume.finding(
            f"only `{name}` of this path is used, and looked for in `{folder.value}`",
            "set `--output_dir` to the checkpoint's folder",
        )


def _plain(path: str) -> str:
    return path.removeprefix("./").rstrip("/")
