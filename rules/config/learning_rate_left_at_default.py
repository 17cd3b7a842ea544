from collections.abc import Iterator

from lora_doctor.derived import FREE, optimizer_family
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule
from lora_doctor.suggest import misnamed

USELESS = 1e-5  # below this no LoRA recipe for these models lies; the defaults concerned are 4e-7 to 3e-6


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """No learning rate is set, and the trainer's default is made for full fine-tuning.

    Why: ai-toolkit falls back to 1e-6, SimpleTuner to 4e-7, sd-scripts and musubi-tuner to 2e-6, OneTrainer to 3e-6.
    A LoRA at such a rate learns nothing in any usual number of steps, and nothing says so.
    Instead: set the rate; 1e-4 is what most published recipes for these models use. A rate under a name that the
    trainer does not know is told by `foreign-key` or `unknown-key`.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/config_modules.py; bghira/SimpleTuner@bc8e6ab7 field registry;
    kohya-ss/sd-scripts@48d368fa library/train_util.py; NVlabs/Sana#250 (1e-6: nothing learned in 800 steps),
    https://github.com/NVlabs/Sana/issues/250

    ```shell sd-scripts flagged
    accelerate launch sdxl_train_network.py --pretrained_model_name_or_path sd_xl_base_1.0.safetensors \\
      --dataset_config data.toml --output_dir out --output_name zwx --network_module networks.lora \\
      --network_dim 16 --network_alpha 16 --optimizer_type AdamW8bit
    ```
    ```shell sd-scripts clean
    accelerate launch sdxl_train_network.py --pretrained_model_name_or_path sd_xl_base_1.0.safetensors \\
      --dataset_config data.toml --output_dir out --output_name zwx --network_module networks.lora \\
      --network_dim 16 --network_alpha 16 --optimizer_type AdamW8bit --learning_rate 1e-4
    ```
    ```yaml ai-toolkit clean
    job: extension
    config:
      name: zwx
      process:
      - type: sd_trainer
        network: {type: lora, linear: 16, linear_alpha: 16}
        datasets:
        - folder_path: /data/zwx
        train: {steps: 2000, learning_rate: 1.0e-4}
        model: {name_or_path: black-forest-labs/FLUX.2-klein-base-4B, arch: flux2_klein_4b}
    ```
    """
    rate = plan.learning_rate
    if not plan.training or plan.network.kind.value == "full" or rate.origin != "default":
        return
    if optimizer_family(plan.optimizer.name.value) in FREE or not rate.value or rate.value >= USELESS:
        return
    if misnamed(plan, rate):
        return
    yield rate.finding(
        f"no learning rate is set and {plan.trainer} takes {rate.value:g}: a LoRA learns nothing at that rate",
        f"set `{rate.key}`; most published recipes use 1e-4",
        rate.write(1e-4, safe=False),
    )
