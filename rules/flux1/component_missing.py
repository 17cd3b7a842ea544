from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

SCRIPTS = ("flux_train_network.py", "flux_train.py")


@rule(level="error", evidence="source", trainer="sd-scripts")
def check(plan: Plan) -> Iterator[Finding]:
    r"""FLUX.1 or Chroma without one of the files its script loads.

    Why: a FLUX.1 checkpoint holds the transformer alone. `--clip_l`, `--t5xxl` and `--ae` have no default and argparse
    does not ask for them: loading the file `None` stops the run, the text encoders' after the transformer was read.
    Instead: name all three. Chroma needs no CLIP.
    Sources: kohya-ss/sd-scripts@48d368fa flux_train_network.py `load_target_model`, library/flux_utils.py
    `load_t5xxl`, `load_clip_l`, `load_ae`, https://github.com/kohya-ss/sd-scripts

    ```shell sd-scripts flagged
    accelerate launch flux_train_network.py --pretrained_model_name_or_path flux1-dev.safetensors \
      --clip_l clip_l.safetensors --ae ae.safetensors --network_module networks.lora_flux \
      --network_dim 16 --network_alpha 16 --learning_rate 1e-4 --dataset_config dataset.toml \
      --output_dir out --output_name zwx
    ```
    ```shell sd-scripts clean
    accelerate launch flux_train_network.py --pretrained_model_name_or_path flux1-dev.safetensors \
      --clip_l clip_l.safetensors --t5xxl t5xxl_fp16.safetensors --ae ae.safetensors \
      --network_module networks.lora_flux --network_dim 16 --network_alpha 16 --learning_rate 1e-4 \
      --dataset_config dataset.toml --output_dir out --output_name zwx
    ```
    """
    if not plan.training or plan.config.open or plan.script not in SCRIPTS:
        return
    chroma = plan.get("model_type").value == "chroma"
    needed = ("t5xxl", "ae") if chroma else ("clip_l", "t5xxl", "ae")
    missing = [key for key in needed if not plan.get(key).written]
    if missing and not plan.config.unread(*missing):
        names = " and ".join(f"`--{key}`" for key in missing)
        yield plan.get(missing[0]).finding(f"no {names}: the script stops while it loads the models", f"set {names}")
