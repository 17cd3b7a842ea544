from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""An option of another timestep sampling.

    Why: `--discrete_flow_shift` counts with `shift` and `sigma` only; `--weighting_scheme logit_normal` and `mode`,
    with their parameters, draw timesteps with `sigma` only. With any other `--timestep_sampling` they are not read.
    Instead: drop the option, or change `--timestep_sampling` to one that reads it.
    Sources: kohya-ss/musubi-tuner@30c658c training/trainer_base.py lines 540-720, training/timesteps.py,
    https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --timestep_sampling flux2_shift --discrete_flow_shift 3.0
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --timestep_sampling shift --discrete_flow_shift 3.0
    ```
    """
    sampling, weighting = plan.timesteps.sampling, plan.timesteps.weighting
    if not plan.training or not (sampling.written or plan.script) or sampling.value is None:
        return
    shift = plan.get("discrete_flow_shift")
    if shift.written and shift.value != 1.0 and sampling.value not in ("shift", "sigma"):
        yield shift.finding(
            f"`--discrete_flow_shift {shift.value}` is not read with `--timestep_sampling {sampling.value}`",
            "use `--timestep_sampling shift`, or drop it",
        )
    if weighting.written and weighting.value in ("logit_normal", "mode") and sampling.value != "sigma":
        yield weighting.finding(
            f"`--weighting_scheme {weighting.value}` draws timesteps only with `--timestep_sampling sigma`, not "
            f"{sampling.value}: it has no effect",
            "set it to none",
            weighting.write("none"),
        )
