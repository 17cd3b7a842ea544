from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

OTHERS = {
    "networks.lora": "HunyuanVideo",
    "networks.lora_wan": "Wan",
    "networks.lora_framepack": "FramePack",
    "networks.lora_hv_1_5": "HunyuanVideo 1.5",
    "networks.lora_zimage": "Z-Image",
    "networks.lora_qwen_image": "Qwen-Image",
    "networks.lora_kandinsky": "Kandinsky 5",
    "networks.lora_hidream_o1": "HiDream-O1",
    "networks.lora_ideogram4": "Ideogram 4",
    "networks.lora_krea2": "Krea 2",
}


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""A LoRA module made for another model's blocks.

    Why: each `networks.lora_*` looks for the block classes of its own model; in FLUX.2 the others find none, and musubi
    stops with "No LoRA modules found" after loading. Plain `networks.lora` is HunyuanVideo's.
    Instead: `networks.lora_flux_2`, or `networks.loha` and `networks.lokr`, which look at the model themselves.
    Sources: kohya-ss/musubi-tuner@30c658c networks/lora.py line 20 and `apply_to`, networks/lora_flux_2.py line 16,
    https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx
    ```
    """
    module = plan.get("network_module")
    name = str(module.value or "").removeprefix("musubi_tuner.")
    if plan.training and plan.script.startswith("flux_2_train") and name in OTHERS:
        yield module.finding(
            f"`{name}` adapts the blocks of {OTHERS[name]}; FLUX.2 has none of them and musubi stops after loading",
            "use `networks.lora_flux_2`",
            module.write("networks.lora_flux_2"),
        )
