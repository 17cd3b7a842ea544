from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

LIMITS = {"dev": 29, "klein-4b": 13, "klein-base-4b": 13, "klein-9b": 16, "klein-base-9b": 16}


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""More blocks to swap than this FLUX.2 version has.

    Why: musubi keeps two double and two single blocks on the GPU. A larger number fails an assertion after the model is
    loaded: at most 29 for dev, 13 for Klein 4B, 16 for Klein 9B.
    Instead: use the limit or less.
    Sources: kohya-ss/musubi-tuner@30c658c flux_2/flux2_models.py `enable_block_swap` (the limits follow from it);
    docs/flux_2.md, https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-4b --dit models/flux-2-klein-base-4b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --blocks_to_swap 16
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-4b --dit models/flux-2-klein-base-4b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --blocks_to_swap 13
    ```
    """
    version, blocks = plan.get("model_version"), plan.precision.blocks_to_swap
    most = LIMITS.get(str(version.value))
    if not plan.training or most is None or not isinstance(blocks.value, int):
        return
    if (version.written or plan.script.startswith("flux_2_train")) and blocks.value > most:
        yield blocks.finding(
            f"{blocks.value} blocks to swap; `{version.value}` allows {most}: an assertion fails after loading",
            f"set `{blocks.key}` to {most}",
            blocks.write(most, safe=False),
        )
