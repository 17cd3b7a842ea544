from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""SANA is trained without the instruction its pipeline adds.

    Why: `SanaPipeline` puts a long human instruction before every prompt unless told not to. A LoRA trained
    without it meets other text features in your pipeline than in training and in the script's own validation
    images.
    Instead: call the pipeline with `complex_human_instruction=None` when the LoRA is loaded. SimpleTuner trains
    with the instruction unless it is set to None.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_sana.py lines 314 and 1227,
    src/diffusers/pipelines/sana/pipeline_sana.py line 701; bghira/SimpleTuner@bc8e6ab
    simpletuner/helpers/models/field_registry/sana.py (default: the instruction)

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
      --checkpointing_steps=100
    ```
    ```json SimpleTuner clean
    {
      "model_family": "sana",
      "model_flavour": "sana1.0-1.6b-1024",
      "model_type": "lora",
      "lora_type": "lycoris",
      "output_dir": "out",
      "optimizer": "adamw_bf16",
      "data_backend_config": "multidatabackend.json",
      "learning_rate": 1e-4,
      "max_train_steps": 2000,
      "num_train_epochs": 0
    }
    ```
    """
    key = {"diffusers": "complex_human_instruction", "SimpleTuner": "sana_complex_human_instruction"}.get(plan.trainer)
    if not plan.training or key is None or key not in plan.config.table.keys or plan.config.open:
        return
    setting = plan.get(key)
    off = setting.value in ("", "None") and plan.config.has(key)
    if off or (plan.trainer == "diffusers" and not plan.config.has(key)):
        place = setting if off else plan.model.setting
        yield place.finding(
            "trained without SANA's human instruction, which `SanaPipeline` adds to every prompt by default",
            "pass `complex_human_instruction=None` to the pipeline when you use the LoRA",
        )
