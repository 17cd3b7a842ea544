from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    r"""`--fp8_text_encoder` with FLUX.2 dev.

    Why: the option is for Klein's Qwen3; the documentation rules it out for dev's Mistral.
    Instead: drop the flag, or cache the text outputs on a larger card.
    Sources: kohya-ss/musubi-tuner@30c658c docs/flux_2.md, https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version dev --dit models/flux2-dev.safetensors --dataset_config dataset.toml --sdpa \
      --optimizer_type adamw8bit --learning_rate 1e-4 --network_module networks.lora_flux_2 \
      --network_dim 32 --network_alpha 32 --max_train_epochs 16 --output_dir out --output_name zwx \
      --fp8_text_encoder
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --fp8_text_encoder
    ```
    """
    version, fp8 = plan.get("model_version"), plan.get("fp8_text_encoder")
    dev = plan.script.startswith("flux_2") and version.value == "dev" and plan.model.family == "flux2-dev"
    if dev and fp8.value is True:
        yield fp8.finding("`--fp8_text_encoder` is not available for dev (Mistral 3)", "drop the flag")
