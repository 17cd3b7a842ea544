from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Weights in diffusers' layout, which musubi's FLUX.2 can't load.

    Why: transformer and VAE are loaded with Black Forest Labs' tensor names, strictly; files from the diffusers
    sub-folders end in missing and unexpected keys.
    Instead: use the single files at the top of the repository: `flux2-klein-base-9b.safetensors`, `ae.safetensors`.
    Sources: kohya-ss/musubi-tuner@30c658c docs/flux_2.md, flux_2/flux2_utils.py `load_ae`, `load_flow_model` (strict),
    https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx \
      --vae models/FLUX.2-dev/vae/diffusion_pytorch_model.safetensors
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --vae models/ae.safetensors
    ```
    """
    if not plan.script.startswith("flux_2"):
        return
    for part in (plan.model, plan.vae):
        name = str(part.setting.value or "")
        file = name.replace("\\", "/").rpartition("/")[2]
        known = part.found.layout == "diffusers" and part.found.certainty == "certain"
        if known or file.startswith("diffusion_pytorch_model"):
            yield part.setting.finding(
                f"`{file}` has diffusers' layout; musubi loads FLUX.2 in Black Forest Labs' layout only",
                "use the single file at the top of the model's repository",
            )
