from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule
from lora_doctor.setting import arguments


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Own `exclude_patterns` replace the default that spares the modulation layers.

    Why: `networks.lora_flux` leaves out `img_mod`, `txt_mod` and `modulation` unless patterns are given; then only
    `norm` is added to yours, and the modulation of FLUX.1's blocks is trained too. (FLUX.2's modulation lies outside
    its blocks and is never adapted.)
    Instead: add `'.*(img_mod\\.lin|txt_mod\\.lin|modulation\\.lin).*'` to the list, unless you mean to train them.
    Sources: kohya-ss/musubi-tuner@30c658c networks/lora_flux.py lines 28-39, https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_kontext_train_network.py \
      --dit models/flux1-kontext-dev.safetensors --dataset_config dataset.toml --sdpa \
      --optimizer_type adamw8bit --learning_rate 1e-4 --network_module networks.lora_flux \
      --network_dim 32 --network_alpha 32 --max_train_epochs 16 --output_dir out --output_name zwx \
      --network_args "exclude_patterns=['.*single_blocks.*']"
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_kontext_train_network.py \
      --dit models/flux1-kontext-dev.safetensors --dataset_config dataset.toml --sdpa \
      --optimizer_type adamw8bit --learning_rate 1e-4 --network_module networks.lora_flux \
      --network_dim 32 --network_alpha 32 --max_train_epochs 16 --output_dir out --output_name zwx \
      --network_args "exclude_patterns=['.*single_blocks.*','.*(_mod|modulation).lin.*']"
    ```
    """
    given, module = plan.get("network_args"), str(plan.get("network_module").value or "")
    patterns = arguments(given).get("exclude_patterns")
    if plan.training and module.endswith("networks.lora_flux") and patterns and "mod" not in patterns:
        yield given.finding(
            "own `exclude_patterns` replace the default: FLUX.1's modulation layers are trained as well",
            "add a pattern for `img_mod`, `txt_mod` and `modulation`",
        )
