from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

OTHERS = ("flux_shift", "qwen_shift", "krea2_shift", "ideogram4_shift", "qinglong_flux", "qinglong_qwen")


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Noise levels drawn in a way FLUX.2 was not trained with.

    Why: left out, musubi takes `sigma`, uniform over a schedule without shift, where the documentation says
    `flux2_shift`. The shifts of other models count tokens of unpacked latents: on FLUX.2 `flux_shift` sees a quarter of
    them, at 1024 pixels a shift of 1.9 instead of 3.2.
    Instead: `--timestep_sampling flux2_shift`, or `shift` with `--discrete_flow_shift 3`.
    Sources: kohya-ss/musubi-tuner@30c658c training/trainer_base.py lines 590-612, training/parser_common.py;
    docs/flux_2.md, https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --timestep_sampling flux2_shift --weighting_scheme none
    ```
    """
    setting = plan.timesteps.sampling
    if not plan.training or not plan.script.startswith("flux_2_train"):
        return
    if setting.origin == "default":
        yield setting.finding(
            "no `--timestep_sampling`: musubi takes `sigma` without shift; its FLUX.2 documentation says `flux2_shift`",
            "set `--timestep_sampling flux2_shift`",
            setting.write("flux2_shift", safe=False),
        )
    elif setting.value in OTHERS:
        yield setting.finding(
            f"`{setting.value}` computes its shift for another model's latents: too little of it on FLUX.2",
            "use `flux2_shift`",
            setting.write("flux2_shift", safe=False),
        )
