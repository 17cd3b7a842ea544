from collections.abc import Iterator

from lora_doctor.models.families import FAMILIES
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

TRAINABLE = {"sdxl", "sd15", "sd2", "flux1", "sd3"}  # CLIP encoders (and T5 in sd-scripts)


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Text-encoder training is asked for where no trainer has it.

    Why: Klein's Qwen3 gets no adapter in any of these trainers, SANA's Gemma2 in OneTrainer only: ai-toolkit finds no
    modules, SimpleTuner adds none, the diffusers scripts have no flag, OneTrainer's FLUX_2 LoRA is transformer-only. No
    message says so, and the encoder stays in memory for nothing. (`lora-doctor train` has one.)
    Instead: switch it off; the transformer learns the trigger.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/lora_special.py (CLIPAttention, CLIPMLP only);
    bghira/SimpleTuner@bc8e6ab7 trainer.py lines 2931 and 4600; Nerogar/OneTrainer@23df3832

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: sd_trainer
          training_folder: out
          network: {type: lora, linear: 32, linear_alpha: 32}
          datasets:
            - {folder_path: data/zwx, resolution: 1024}
          train: {steps: 2000, lr: 1e-4, noise_scheduler: flowmatch, dtype: bf16, train_text_encoder: true}
          model: {name_or_path: black-forest-labs/FLUX.2-klein-base-9B, arch: flux2_klein_9b}
    ```
    ```yaml ai-toolkit clean
    job: extension
    config:
      name: zwx
      process:
        - type: sd_trainer
          training_folder: out
          network: {type: lora, linear: 32, linear_alpha: 32}
          datasets:
            - {folder_path: data/zwx, resolution: 1024}
          train: {steps: 2000, lr: 1e-4, noise_scheduler: flowmatch, dtype: bf16, train_text_encoder: false}
          model: {name_or_path: black-forest-labs/FLUX.2-klein-base-9B, arch: flux2_klein_9b}
    ```
    """
    setting, family = plan.train_text_encoder, plan.model.family
    if plan.trainer == "lora-doctor" or (plan.trainer == "OneTrainer" and family == "sana"):
        return  # those that do: SanaLoRASetup adapts Gemma2
    if plan.training and setting.written and setting.value is True and family in FAMILIES and family not in TRAINABLE:
        encoder = {"flux2-klein": "Qwen3", "flux2-dev": "Mistral", "sana": "Gemma2"}.get(family or "", "text encoder")
        yield setting.finding(
            f"{plan.trainer} trains no adapter on the {encoder} of {FAMILIES[family or ''].title}: none is trained",
            "switch it off",
            setting.write(False),
        )
