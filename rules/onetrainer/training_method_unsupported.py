from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

NEWEST = ("FLUX_2", "QWEN", "Z_IMAGE", "ERNIE", "ANIMA", "KREA_2", "IDEOGRAM_4")


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A training method that this model type doesn't have.

    Why: there is no trainer class for the pair, so nothing can be started: only SD 1.5 and 2 train the VAE, and Klein,
    Qwen, Z-Image and the other newest ones train no embedding.
    Instead: `LORA` or `FINE_TUNE`.
    Sources: Nerogar/OneTrainer@23df3832 modules/util/enum/ModelType.py `supported_training_methods`,
    https://github.com/Nerogar/OneTrainer

    ```json OneTrainer flagged
    {
      "__version": 11,
      "training_method": "EMBEDDING",
      "model_type": "FLUX_2",
      "base_model_name": "black-forest-labs/FLUX.2-klein-base-9B",
      "output_model_format": "SAFETENSORS",
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
    method, kind = plan.get("training_method"), str(plan.get("model_type").value)
    no_vae = method.value == "FINE_TUNE_VAE" and not kind.startswith(("STABLE_DIFFUSION_1", "STABLE_DIFFUSION_2"))
    if plan.training and (no_vae or (method.value == "EMBEDDING" and kind in NEWEST)):
        yield method.finding(f"OneTrainer has no {method.value} for {kind}: it stops at start", "use `LORA`")
