from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Two settings the trainer refuses together.

    Why: ai-toolkit checks a handful of combinations and raises a ValueError, most at start, a few after caching.
    `attn_masking` and `split_model_over_gpus` are checked before `arch: flux` is looked at, so they need the older
    `is_flux: true`.
    Instead: drop one of the two.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/config_modules.py (TrainConfig, ModelConfig, DatasetConfig,
    `validate_configs`), extensions_built_in/sd_trainer/SDTrainer.py, toolkit/data_loader.py
    (`get_dataloader_from_datasets`), https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
            gradient_accumulation: 4
            gradient_accumulation_steps: 2
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux
            name_or_path: black-forest-labs/FLUX.1-dev
            attn_masking: true
    ```
    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          datasets:
            - folder_path: a
              cache_text_embeddings: true
            - folder_path: b
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    ```yaml ai-toolkit clean
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
            gradient_accumulation: 4
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    if not plan.training:
        return
    for key, reason, action in [*_training(plan), *_model(plan), *_datasets(plan)]:
        yield plan.get(key).finding(f"{reason}: the run stops", action)


def _on(plan: Plan, key: str) -> bool:
    return bool(plan.get(key).value)


def _training(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Keys of `train`."""
    new, old = plan.get("train.gradient_accumulation").value, plan.get("train.gradient_accumulation_steps").value
    dop, bpp = _on(plan, "train.diff_output_preservation"), _on(plan, "train.blank_prompt_preservation")
    encoder, network = _on(plan, "train.train_text_encoder"), isinstance(plan.get("network").value, dict)
    cached = _on(plan, "train.unload_text_encoder") or _on(plan, "train.cache_text_embeddings")
    cached = cached or any(data.get("cache_text_embeddings").value for data in plan.datasets)
    if isinstance(new, int) and new > 1 and old not in (1, None):
        yield (
            "train.gradient_accumulation_steps",
            "`gradient_accumulation` is set too",
            "keep `gradient_accumulation` only",
        )
    if _on(plan, "train.bypass_guidance_embedding") and _on(plan, "train.do_guidance_loss"):
        yield (
            "train.do_guidance_loss",
            "a guidance loss needs the embedding that `bypass_guidance_embedding` leaves out",
            "keep one of the two",
        )
    if dop and bpp:
        yield "train.blank_prompt_preservation", "`diff_output_preservation` is set too", "keep one of the two"
    if dop and not plan.trigger.value and not any(data.trigger.value for data in plan.datasets):
        yield "train.diff_output_preservation", "output preservation needs a `trigger_word`", "set `trigger_word`"
    if (dop or bpp) and not network:
        key = "diff_output_preservation" if dop else "blank_prompt_preservation"
        yield f"train.{key}", "preservation needs a `network`", "set `network`"
    if dop and encoder:
        yield (
            "train.diff_output_preservation",
            "output preservation can't be used while the text encoder is trained",
            "switch one of the two off",
        )
    if encoder and cached:
        yield (
            "train.train_text_encoder",
            "a text encoder that is unloaded can't be trained, which is seen after caching",
            "switch one of the two off",
        )


def _model(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Keys of `model`."""
    flux, arch = plan.get("model.is_flux").value is True, str(plan.get("model.arch").value).partition(":")[0]
    for key in ("attn_masking", "split_model_over_gpus"):
        if _on(plan, f"model.{key}") and not flux:
            yield f"model.{key}", f"`{key}` needs `is_flux: true`; `arch` is looked at too late", "add `is_flux: true`"
    recovery = _on(plan, "model.accuracy_recovery_adapter") or "|" in str(plan.get("model.qtype").value)
    if recovery and _on(plan, "model.assistant_lora_path"):
        yield "model.assistant_lora_path", "an accuracy recovery adapter is set too", "keep one of the two"
    if arch in ("qwen_image_edit", "boogu_image_edit") and _on(plan, "train.unload_text_encoder"):
        yield (
            "train.unload_text_encoder",
            f"`{arch}` encodes its control images with the text",
            "use `cache_text_embeddings`",
        )
    if isinstance(plan.get("decorator").value, dict) and arch not in ("flux", "flex1") and not flux:
        yield "decorator", "a decorator is for FLUX.1 only", "remove it"


def _datasets(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Keys of the dataset entries."""
    cached = [bool(data.get("cache_text_embeddings").value) for data in plan.datasets]
    if any(cached) and not all(cached) and not plan.cache_text.value:
        first = plan.datasets[cached.index(False)]
        yield (
            f"{first.prefix}.cache_text_embeddings",
            "other datasets cache their text embeddings and this one does not",
            "set `train.cache_text_embeddings`, which counts for all",
        )
    bucketed = [data.buckets.value is not False for data in plan.datasets]
    if any(bucketed) and not all(bucketed):
        yield (
            f"{plan.datasets[bucketed.index(False)].prefix}.buckets",
            "other datasets have buckets and this one has none",
            "remove `buckets: false`",
        )
    for data, has_buckets in zip(plan.datasets, bucketed):
        if data.get("poi").value is not None:
            yield f"{data.prefix}.poi", "`poi` was removed", "remove it"
        for key in ("batch_size", "mask_path"):
            if not has_buckets and data.get(key).value and not (key == "batch_size" and any(bucketed)):
                yield f"{data.prefix}.{key}", f"`{key}` needs buckets", "remove `buckets: false`"
