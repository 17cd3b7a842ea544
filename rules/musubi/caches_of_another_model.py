from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

CACHES = {"dev": "f2d", "klein-4b": "f2k4b", "klein-base-4b": "f2k4b", "klein-9b": "f2k9b", "klein-base-9b": "f2k9b"}


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Caching and training name different models.

    Why: caches carry the model in their file names (`_f2d`, `_f2k4b`, `_f2k9b`) and training reads only its own. Caches
    made for another model, or with `--model_version` left at `dev`, are not found: "No training items found", after the
    caching time is spent.
    Instead: the same `--model_version` on all three commands (base and distilled share their caches).
    Sources: kohya-ss/musubi-tuner@30c658c flux_2/flux2_utils.py lines 60-119, dataset/image_video_dataset.py
    `prepare_for_training`, https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    python src/musubi_tuner/flux_2_cache_latents.py --dataset_config dataset.toml \
      --vae models/ae.safetensors
    python src/musubi_tuner/flux_2_cache_text_encoder_outputs.py --dataset_config dataset.toml \
      --text_encoder models/qwen_3_8b.safetensors --model_version klein-base-9b
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx
    ```
    ```shell musubi-tuner clean
    python src/musubi_tuner/flux_2_cache_latents.py --dataset_config dataset.toml \
      --vae models/ae.safetensors --model_version klein-base-9b
    python src/musubi_tuner/flux_2_cache_text_encoder_outputs.py --dataset_config dataset.toml \
      --text_encoder models/qwen_3_8b.safetensors --model_version klein-base-9b
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx
    ```
    """
    wanted = plan.get("model_version")
    mine = CACHES.get(str(wanted.value))
    if not plan.training or not plan.script.startswith("flux_2") or mine is None:
        return
    dataset = plan.get("dataset_config").value
    for step in ("latents", "text_encoder"):
        made = [config for config in plan.prepared_by if f"flux_2_cache_{step}" in config.table.name]
        made = [config for config in made if config.get("dataset_config").value == dataset]
        versions = [config.get("model_version") for config in made]
        if not versions or any(CACHES.get(str(version.value), mine) == mine for version in versions):
            continue
        version = versions[-1]
        how = f"`{version.value}`" if version.written else "`dev` by default"
        yield version.finding(
            f"these caches are made for {how}, training is for `{wanted.value}` and will not find them",
            f"set `--model_version {wanted.value}`",
            version.write(wanted.value, safe=False),
        )
