from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="reported", trainer="SimpleTuner")
def check(plan: Plan) -> Iterator[Finding]:
    """A SANA LoRA saved for ComfyUI, which has no loader for it.

    Why: ComfyUI's LoRA loader has no key map for SANA, so a LoRA in its format loads nowhere; diffusers' format
    loads in `SanaPipeline`.
    Instead: keep `lora_format` at `diffusers`. If your ComfyUI has a node that loads SANA LoRAs, ignore the
    finding.
    Sources: NVlabs/Sana#145, https://github.com/NVlabs/Sana/issues/145

    ```json SimpleTuner flagged
    {
      "model_family": "sana",
      "model_flavour": "sana1.0-1.6b-1024",
      "model_type": "lora",
      "lora_type": "standard",
      "output_dir": "out",
      "optimizer": "adamw_bf16",
      "data_backend_config": "multidatabackend.json",
      "learning_rate": 1e-4,
      "max_train_steps": 2000,
      "num_train_epochs": 0,
      "lora_format": "comfyui"
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "sana",
      "model_flavour": "sana1.0-1.6b-1024",
      "model_type": "lora",
      "lora_type": "standard",
      "output_dir": "out",
      "optimizer": "adamw_bf16",
      "data_backend_config": "multidatabackend.json",
      "learning_rate": 1e-4,
      "max_train_steps": 2000,
      "num_train_epochs": 0,
      "lora_format": "diffusers"
    }
    ```
    """
    setting = plan.get("lora_format")
    if plan.training and setting.written and setting.value == "comfyui":
        yield setting.finding(
            "ComfyUI has no loader for SANA LoRAs: this format loads nowhere",
            "use `diffusers`",
            setting.write("diffusers", safe=False),
        )
