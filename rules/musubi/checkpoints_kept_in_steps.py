from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""`--save_last_n_steps` is given as a number of checkpoints.

    Why: it counts steps. A value below the save interval keeps only the newest checkpoint, and each save deletes the
    one before.
    Instead: the number of checkpoints to keep, times the interval.
    Sources: kohya-ss/musubi-tuner@30c658c utils/train_utils.py `get_remove_step_no`,
    https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --output_dir out \
      --output_name zwx --max_train_steps 2000 --save_every_n_steps 250 --save_last_n_steps 4
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --output_dir out \
      --output_name zwx --max_train_steps 2000 --save_every_n_steps 250 --save_last_n_steps 1000
    ```
    """
    every, last = plan.get("save_every_n_steps").value, plan.get("save_last_n_steps")
    steps = last.value
    if plan.training and isinstance(every, int) and isinstance(steps, int) and 0 < steps < every:
        yield last.finding(
            f"{steps} steps, with a checkpoint every {every}: only the newest is kept",
            f"set `{last.key}` to {steps * every} to keep {steps}",
            last.write(steps * every, safe=False),
        )
