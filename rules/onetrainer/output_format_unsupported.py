from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

LORA = ("DIFFUSERS_LORA", "KOHYA_LORA", "COMFY_LORA", "ORIGINAL_LORA")
NO_LEGACY_LORA = ("SANA", "WUERSTCHEN_2", "HI_DREAM_FULL", "ANIMA", "KREA_2", "IDEOGRAM_4")


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """An output format that this kind of training can't be saved in.

    Why: the format is looked at when the finished model is saved: LoRA training ends in a NotImplementedError with
    `SAFETENSORS`, which is the default, and only the backup is left. Saves on the way fail with one printed line each.
    Instead: `DIFFUSERS_LORA`, `KOHYA_LORA` or `COMFY_LORA` for a LoRA; the legacy format exists for some models only.
    Sources: Nerogar/OneTrainer@23df3832 modules/modelSaver/mixin/LoRASaverMixin.py `_save`,
    modules/util/enum/ModelType.py `supported_output_formats`, https://github.com/Nerogar/OneTrainer

    ```json OneTrainer flagged
    {
      "__version": 11,
      "training_method": "LORA",
      "model_type": "FLUX_2",
      "base_model_name": "black-forest-labs/FLUX.2-klein-base-9B",
      "learning_rate": 1e-4,
      "lora_rank": 16,
      "lora_alpha": 16,
      "epochs": 60
    }
    ```
    ```json OneTrainer clean
    {
      "__version": 11,
      "training_method": "LORA",
      "model_type": "FLUX_2",
      "base_model_name": "black-forest-labs/FLUX.2-klein-base-9B",
      "output_model_format": "DIFFUSERS_LORA",
      "learning_rate": 1e-4,
      "lora_rank": 16,
      "lora_alpha": 16,
      "epochs": 60
    }
    ```
    """
    method, kind = plan.get("training_method").value, plan.get("model_type").value
    form = plan.get("output_model_format")
    keys = plan.config.table.keys
    if not plan.training or method not in ("LORA", "FINE_TUNE", "EMBEDDING") or kind not in keys["model_type"].choices:
        return
    accepted = _accepted(str(method), str(kind))
    if form.value not in accepted and form.value in keys["output_model_format"].choices:
        origin = "" if form.written else ", the default,"
        yield form.finding(
            f"`{form.value}`{origin} is no format for {method} of {kind}: the finished run can't be saved",
            "use " + " or ".join(f"`{name}`" for name in accepted[:3]),
            form.write(accepted[0], safe=False),
        )


def _accepted(method: str, kind: str) -> tuple[str, ...]:
    if method == "EMBEDDING":
        return ("SAFETENSORS",)
    if method == "LORA":
        return LORA if kind in NO_LEGACY_LORA else (*LORA, "LEGACY_LORA")
    if kind.startswith("STABLE_DIFFUSION"):
        return ("DIFFUSERS", "ORIGINAL_SINGLE_FILE", "LEGACY_SAFETENSORS")
    if kind in ("SANA", "WUERSTCHEN_2", "STABLE_CASCADE_1"):
        return ("DIFFUSERS", "LEGACY_SAFETENSORS") if kind == "STABLE_CASCADE_1" else ("DIFFUSERS",)
    both = ("DIFFUSERS", "ORIGINAL_TRANSFORMER") + (("COMFY_TRANSFORMER",) if kind == "Z_IMAGE" else ())
    return both if kind in ("ANIMA", "KREA_2", "IDEOGRAM_4") else (*both, "LEGACY_SAFETENSORS")
