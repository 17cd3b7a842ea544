import ast
from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

PATTERNS = ("include_patterns", "exclude_patterns")


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""An argument list that musubi can't take apart.

    Why: each word of `--network_args`, `--optimizer_args` and `--lr_scheduler_args` is split at its equals sign into
    exactly two parts, so a word without one, or a value that contains one, ends in a ValueError after the model is
    loaded. Optimiser values and patterns must be Python literals.
    Instead: one `key=value` a word; patterns as a list: `"exclude_patterns=['.*single.*']"`.
    Sources: kohya-ss/musubi-tuner@30c658c training/trainer_base.py lines 170-174 and 1564-1567, networks/lora_flux_2.py
    lines 28-34, https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --network_args "exclude_patterns=.*single.*"
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --network_args "exclude_patterns=['.*single.*']"
    ```
    """
    if not plan.training:
        return
    for name in ("network_args", "optimizer_args", "lr_scheduler_args"):
        setting = plan.get(name)
        for word in setting.value if isinstance(setting.value, list) else ():
            key, equals, value = str(word).partition("=")
            if not equals or "=" in value:
                how = "no equals sign" if not equals else "more than one equals sign"
                yield setting.finding(f"`{word}` has {how}: a ValueError after loading", "write `key=value`")
            elif (name != "network_args" or key in PATTERNS) and not _is_literal(value):
                need = "write a list of quoted patterns" if key in PATTERNS else "write a number, True, False or 'text'"
                yield setting.finding(f"the value of `{word}` is no Python literal: musubi stops after loading", need)


def _is_literal(text: str) -> bool:
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return False
    return True
