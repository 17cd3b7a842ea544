from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    r"""No mixed precision is given, so a file on your machine decides.

    Why: without `--mixed_precision`, musubi takes what `accelerate config` once wrote, and without that file none:
    everything runs in fp32. The same command then differs between machines.
    Instead: `--mixed_precision bf16`, to `accelerate launch` and to the script.
    Sources: kohya-ss/musubi-tuner@30c658c training/trainer_base.py lines 1461-1464; docs/flux_2.md,
    https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx
    ```
    ```shell musubi-tuner clean
    accelerate launch src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --mixed_precision bf16
    ```
    """
    compute = plan.precision.compute
    if plan.training and plan.script and compute.value is None and not compute.written and compute.place is not None:
        yield compute.finding(
            "no `--mixed_precision`: the machine's own accelerate config decides, or fp32",
            "set `--mixed_precision bf16`",
            compute.write("bf16", safe=False) if compute.key == "--mixed_precision" else None,
        )
