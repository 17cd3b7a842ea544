from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Sample settings that lead to no sample.

    Why: without `--sample_prompts` every due preview is one error line in the log; with prompts but no interval the
    text encoder is loaded for nothing.
    Instead: give both the prompts and an interval.
    Sources: kohya-ss/musubi-tuner@30c658c training/trainer_base.py `sample_images`, training/sampling_prompts.py
    `should_sample_images`, https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --sample_every_n_epochs 1
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
    if not plan.training or not plan.script:
        return
    prompts = plan.get("sample_prompts")
    if plan.config.unread("sample_prompts", "sample_every_n_epochs", "sample_every_n_steps"):
        return
    due = [plan.get(name) for name in ("sample_every_n_epochs", "sample_every_n_steps", "sample_at_first")]
    asked = next((setting for setting in due if setting.value), None)
    if asked is not None and not prompts.value and prompts.origin == "unknown" and not prompts.written:
        yield asked.finding(
            f"`{asked.key}` without `--sample_prompts`: no preview is drawn", "set `--sample_prompts`"
        )
    elif asked is None and prompts.value:
        yield prompts.finding(
            "`--sample_prompts` without an interval: no preview is drawn",
            "set `--sample_every_n_epochs 1`",
            due[0].write(1, safe=False),
        )
