from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule
from lora_doctor.setting import arguments

FIXED = ("relative_step=False", "scale_parameter=False", "warmup_init=False")


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Adafactor without `relative_step=False` ignores the learning rate.

    Why: musubi sets `relative_step=True` unless told otherwise, passes no learning rate and replaces the schedule: the
    rate follows the step number. Warm-up steps then stop the run.
    Instead: `--optimizer_args relative_step=False scale_parameter=False warmup_init=False`.
    Sources: kohya-ss/musubi-tuner@30c658c training/trainer_base.py lines 188-226; docs/advanced_config.md,
    https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adafactor --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adafactor --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx \
      --optimizer_args relative_step=False scale_parameter=False warmup_init=False
    ```
    """
    name, given, rate = plan.get("optimizer_type"), plan.get("optimizer_args"), plan.learning_rate
    if (
        not plan.training
        or str(name.value or "").lower() != "adafactor"
        or not (plan.script or given.written)
        or plan.config.unread("optimizer_args")
    ):
        return
    if arguments(given).get("relative_step") != "False" and rate.written:
        yield rate.finding(
            f"learning rate {rate.value} is not used: Adafactor runs with `relative_step=True` and sets its own",
            "add `--optimizer_args relative_step=False scale_parameter=False warmup_init=False`",
            None if given.written else given.write(list(FIXED)),
        )
