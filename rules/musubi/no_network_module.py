from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""No `--network_module`, so there is nothing to train.

    Why: the module is imported after the transformer is loaded; without a name the import fails and the loading time is
    lost.
    Instead: `--network_module networks.lora_flux_2` for FLUX.2.
    Sources: kohya-ss/musubi-tuner@30c658c training/trainer_base.py lines 1532-1537; docs/flux_2.md,
    https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
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
    module = plan.get("network_module")
    if plan.config.unread("network_module"):
        return
    if plan.training and plan.script and plan.network.kind.value != "full" and module.value is None:
        flux2 = plan.script.startswith("flux_2")
        yield module.finding(
            "no `--network_module`: musubi loads the model and stops with an AttributeError",
            "set `--network_module networks.lora_flux_2`" if flux2 else "set the module of this architecture",
            module.write("networks.lora_flux_2") if flux2 else None,
        )
