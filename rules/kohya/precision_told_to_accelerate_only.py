from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source", trainer="sd-scripts")
def check(plan: Plan) -> Iterator[Finding]:
    r"""`--mixed_precision` stands before the script, where it does not count.

    Why: the script hands its own `mixed_precision` to Accelerator, and that is `no` unless given: what `accelerate
    launch` or `accelerate config` says is overruled, and the run trains in fp32 at twice the memory and half the speed.
    Instead: give `--mixed_precision` behind the script's name too.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py line 5495 (`mixed_precision=args.mixed_precision`,
    default "no"); accelerate state.py (an explicit value wins over ACCELERATE_MIXED_PRECISION),
    https://github.com/kohya-ss/sd-scripts

    ```shell sd-scripts flagged
    accelerate launch --mixed_precision bf16 sdxl_train_network.py --pretrained_model_name_or_path \
      models/sd_xl_base_1.0.safetensors \
      --output_dir out --network_module networks.lora --network_dim 16 --network_alpha 16 --learning_rate 1e-4 \
      --max_train_epochs 10 --save_every_n_epochs 1 \
      --dataset_config dataset.toml
    ```
    ```shell sd-scripts clean
    accelerate launch --mixed_precision bf16 sdxl_train_network.py --pretrained_model_name_or_path \
      models/sd_xl_base_1.0.safetensors \
      --output_dir out --network_module networks.lora --network_dim 16 --network_alpha 16 --learning_rate 1e-4 \
      --max_train_epochs 10 --save_every_n_epochs 1 \
      --dataset_config dataset.toml --mixed_precision bf16
    ```
    """
    mode = plan.get("mixed_precision")
    if not plan.training or plan.launch is None or plan.config.open or mode.origin != "default":
        return
    told = plan.launch.get("mixed_precision")
    if told.value in ("bf16", "fp16"):
        yield told.finding(
            f"`accelerate launch` is told {told.value}, but the script's own default `{mode.value}` overrules it: it "
            "trains in fp32",
            f"add `--mixed_precision {told.value}` behind the script's name",
            mode.write(told.value, safe=False),
        )
