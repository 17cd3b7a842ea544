from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`lora_format: comfyui` for FLUX.2, which is saved in the diffusers format all the same.

    Why: FLUX.2 counts as natively supported, so the conversion is skipped with a log line. Alpha then stands in the
    metadata only, and ComfyUI loads the LoRA at a scale of 1 whatever alpha / rank is.
    Instead: alpha equal to rank, or convert the file afterwards.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/models/common.py line 2094; Comfy-Org/ComfyUI#12191,
    https://github.com/Comfy-Org/ComfyUI/issues/12191

    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "lora_format": "comfyui"
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0
    }
    ```
    """
    form = plan.get("lora_format")
    if plan.training and plan.get("model_family").value == "flux2" and form.written and form.value == "comfyui":
        scale = plan.network.scale
        off = f", and ComfyUI will load it at a scale of 1 instead of {scale:g}" if scale not in (None, 1.0) else ""
        yield form.finding(
            f"FLUX.2 LoRAs are saved in the diffusers format all the same{off}",
            "set `lora_alpha` to the rank" if off else "remove it",
            None if off else form.remove(),
        )
