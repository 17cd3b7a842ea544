from collections.abc import Iterator

from lora_doctor.models.families import FAMILIES
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

# What each trainer can't train, at the versions in its key table.
CANNOT = {
    "diffusion-pipe": {"sana": "SimpleTuner or the diffusers scripts"},
    "sd-scripts": {
        "flux2-klein": "musubi-tuner's flux_2_train_network.py, or ai-toolkit",
        "flux2-dev": "musubi-tuner",
        "sana": "SimpleTuner or the diffusers scripts",
    },
    "kohya_ss": {
        "flux2-klein": "musubi-tuner's flux_2_train_network.py, or ai-toolkit",
        "flux2-dev": "musubi-tuner",
        "sana": "SimpleTuner or the diffusers scripts",
    },
    "musubi-tuner": {"sana": "SimpleTuner or the diffusers scripts", "sdxl": "sd-scripts", "sd15": "sd-scripts"},
    "ai-toolkit": {"sana": "SimpleTuner or the diffusers scripts"},
}


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A model that this trainer can't train.

    Why: sd-scripts and its GUI have no FLUX.2 trainer (kohya's tool for Klein is musubi-tuner), and SANA exists in
    neither diffusion-pipe, sd-scripts, kohya_ss, musubi-tuner nor ai-toolkit. The run stops while loading, or loads the
    file as another architecture.
    Instead: use the trainer in the message.
    Sources: kohya-ss/sd-scripts@48d368fa; bmaltais/kohya_ss@45088f04 .out-of-scope/musubi-tuner-models.md;
    kohya-ss/musubi-tuner@30c658c docs/flux_2.md; ostris/ai-toolkit@27a03a91; tdrussell/diffusion-pipe@8f83dbf
    docs/supported_models.md (each searched for the model's code)

    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "/models/flux-2-klein-base-4b.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    learning_rate = 1e-4
    max_train_steps = 1500
    train_batch_size = 1
    output_dir = "out"
    output_name = "zwx"
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "/models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    learning_rate = 1e-4
    max_train_steps = 1500
    train_batch_size = 1
    output_dir = "out"
    output_name = "zwx"
    ```
    """
    family = plan.model.found.family
    other = CANNOT.get(plan.trainer, {}).get(family or "")
    named = plan.model.setting.written and plan.model.found.certainty != "ambiguous"
    if plan.training and other and family and named:
        title = FAMILIES[family].title
        yield plan.model.setting.finding(f"this is {title}, which {plan.trainer} can't train", f"use {other}")
