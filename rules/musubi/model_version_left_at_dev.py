from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reported")
def check(plan: Plan) -> Iterator[Finding]:
    r"""No `--model_version`, and the model is Klein.

    Why: all three scripts take `dev` by default: caching loads Mistral instead of Qwen3 and names its files for dev,
    and training ends in a size mismatch when Klein's weights are loaded into dev's shapes.
    Instead: give the same `--model_version` to the two caching scripts and to training.
    Sources: kohya-ss/musubi-tuner@30c658c flux_2/flux2_utils.py line 118; kohya-ss/musubi-tuner#860,
    https://github.com/kohya-ss/musubi-tuner/issues/860

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --dit models/flux-2-klein-base-9b.safetensors --dataset_config dataset.toml --sdpa \
      --optimizer_type adamw8bit --learning_rate 1e-4 --network_module networks.lora_flux_2 \
      --network_dim 32 --network_alpha 32 --max_train_epochs 16 --output_dir out --output_name zwx
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx
    ```
    """
    version, found = plan.get("model_version"), plan.model.found
    flux2 = plan.script.startswith("flux_2")
    if not flux2 or version.written or version.value != "dev" or found.family != "flux2-klein" or not found.size:
        return
    distilled = found.variant == "distilled"
    better = f"klein{'' if distilled else '-base'}-{found.size.lower()}"
    yield version.finding(
        f"no `--model_version`: musubi takes `dev`, and this is Klein {found.size}, so its weights don't fit",
        f"set `--model_version {better}`",
        version.write(better, safe=False),
    )
    for config in plan.prepared_by:
        earlier = config.get("model_version")
        if earlier.origin == "default":
            yield earlier.finding(
                f"no `--model_version`: these caches are made for `dev`, and Klein {found.size} is trained",
                f"set `--model_version {better}`",
                earlier.write(better, safe=False),
            )
