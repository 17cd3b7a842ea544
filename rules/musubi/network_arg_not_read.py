from collections.abc import Iterator
from difflib import get_close_matches

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule
from lora_doctor.setting import arguments

KEYS = (
    "include_patterns", "exclude_patterns", "rank_dropout", "module_dropout", "loraplus_lr_ratio", "verbose",
    "conv_dim", "conv_alpha",
)  # fmt: skip


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""A `--network_args` key that musubi's networks don't read.

    Why: the words are passed on as keyword arguments and whatever has another name ends in `**kwargs`, without a word.
    Keys of sd-scripts and LyCORIS (`train_blocks`, `algo`, `preset`) are dropped, so everything is trained.
    Instead: use the keys in the message; layers are chosen with `include_patterns` and `exclude_patterns`.
    Sources: kohya-ss/musubi-tuner@30c658c networks/lora.py `create_network`, networks/lokr.py, networks/loha.py,
    https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --network_args "train_blocks=single"
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --network_args "rank_dropout=0.1"
    ```
    """
    given, module = plan.get("network_args"), str(plan.get("network_module").value or "")
    plain = module.removeprefix("musubi_tuner.")
    if not plan.training or not plain.startswith(("networks.lora", "networks.loha", "networks.lokr")):
        return
    known = KEYS + (("factor",) if plain == "networks.lokr" else ())
    for key in arguments(given):
        if key not in known:
            close = get_close_matches(key, known, n=1, cutoff=0.8)
            yield given.finding(
                f"`{plain}` reads no network argument `{key}`: it is dropped",
                f"did you mean `{close[0]}`?" if close else "it reads " + ", ".join(f"`{name}`" for name in known[:6]),
            )
