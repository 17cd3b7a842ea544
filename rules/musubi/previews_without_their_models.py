from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Previews are asked for, without the VAE or text encoder they need.

    Why: training itself needs neither, as everything is cached, but the prompts are encoded and the decoder is loaded
    before the transformer: without the paths musubi stops there. The prompts must be a .txt, .toml or .json file.
    Instead: give `--vae` and `--text_encoder` as in the caching commands.
    Sources: kohya-ss/musubi-tuner@30c658c training/trainer_base.py `_prepare_sampling`, training/sampling_prompts.py
    `load_prompts`; docs/flux_2.md, https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --sample_every_n_epochs 1 --sample_prompts prompts.txt
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --sample_every_n_epochs 1 --sample_prompts prompts.txt \
      --vae models/ae.safetensors --text_encoder models/qwen_3_8b.safetensors
    ```
    """
    prompts = plan.get("sample_prompts")
    if not plan.training or not isinstance(prompts.value, str):
        return
    if not prompts.value.endswith((".txt", ".toml", ".json")):
        yield prompts.finding(
            f"`{prompts.value}` is no .txt, .toml or .json file: musubi stops before training", "rename it"
        )
    if plan.script.startswith("flux_2_train"):
        missing = [name for name in ("vae", "text_encoder") if not plan.config.has(name)]
        if missing:
            flags = " and ".join(f"`--{name}`" for name in missing)
            yield prompts.finding(f"`--sample_prompts` without {flags}: musubi stops before training", f"add {flags}")
