from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

NAMES = (
    "constant", "constant_with_warmup", "cosine", "cosine_with_restarts", "cosine_with_min_lr", "linear", "polynomial",
    "inverse_sqrt", "warmup_stable_decay", "piecewise_constant",
)  # fmt: skip


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""A learning-rate schedule that musubi does not build.

    Why: the name is looked up among those of transformers (plus `rex`, `piecewise_constant` and Adafactor's own) when
    the optimiser stands, after the model is loaded; `reduce_lr_on_plateau` and `cosine_warmup_with_min_lr` are found
    and then fed arguments they don't take.
    Instead: use one of the names in the message, or `--lr_scheduler_type` with the path of a class.
    Sources: kohya-ss/musubi-tuner@30c658c training/trainer_base.py lines 279-429; transformers 4.57.6 (pinned)
    `SchedulerType`, https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --lr_scheduler cosine_annealing
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --lr_scheduler cosine
    ```
    """
    setting = plan.get("lr_scheduler")
    name = setting.value
    if not plan.training or not isinstance(name, str) or plan.get("lr_scheduler_type").value:
        return
    if name in NAMES or name.lower() == "rex" or name.startswith("adafactor"):
        return
    optimizer = str(plan.optimizer.name.value or "").lower()
    if optimizer.endswith("schedulefree") or optimizer == "adafactor":
        return  # its schedule is never built, or replaced
    yield setting.finding(
        f"musubi knows no schedule `{name}` and stops after loading the model",
        "use one of " + ", ".join(f"`{known}`" for known in NAMES[:7]) + " or `rex`",
    )
