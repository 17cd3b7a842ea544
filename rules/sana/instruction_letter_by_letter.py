from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source", trainer="diffusers")
def check(plan: Plan) -> Iterator[Finding]:
    r"""The human instruction reaches SANA one letter per line.

    Why: `--complex_human_instruction` is a string to argparse, but the pipeline joins a list of lines: of a
    string it makes one line per character, and every prompt is trained behind that.
    Instead: leave the flag out and pass `complex_human_instruction=None` to the pipeline when you use the LoRA,
    or change the script to pass a list.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_sana.py line 314,
    src/diffusers/pipelines/sana/pipeline_sana.py line 257

    ```shell diffusers flagged
    accelerate launch train_dreambooth_lora_sana.py \
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
      --complex_human_instruction="Given a user prompt, generate an enhanced prompt."
    ```
    ```shell diffusers clean
    accelerate launch train_dreambooth_lora_sana.py \
      --pretrained_model_name_or_path=Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers \
      --instance_data_dir=dog \
      --output_dir=out \
      --instance_prompt="a photo of zwx ring" \
      --resolution=1024 \
      --rank=16 \
      --lora_alpha=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100
    ```
    """
    given = plan.get("complex_human_instruction") if plan.trainer == "diffusers" else None
    if given is not None and plan.config.has("complex_human_instruction") and given.value not in ("", "None"):
        yield given.finding(
            "the instruction is joined letter by letter, one per line, in front of every prompt",
            "remove the flag and pass `complex_human_instruction=None` at inference",
            given.remove(safe=False),
        )
