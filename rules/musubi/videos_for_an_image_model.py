from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""A video dataset for a model of images.

    Why: the video dataset knows the frame rate of the video models only and refuses FLUX.2 with "Unsupported
    architecture".
    Instead: use `image_directory`.
    Sources: kohya-ss/musubi-tuner@30c658c dataset/image_video_dataset.py `VideoDataset.__init__`; docs/flux_2.md,
    https://github.com/kohya-ss/musubi-tuner

    ```toml file dataset.toml
    [general]
    resolution = [1024, 1024]
    caption_extension = ".txt"
    enable_bucket = true
    [[datasets]]
    video_directory = "clips"
    ```
    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx
    ```
    ```toml file dataset.toml
    [general]
    resolution = [1024, 1024]
    caption_extension = ".txt"
    enable_bucket = true
    [[datasets]]
    image_directory = "data"
    cache_directory = "cache"
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx
    ```
    """
    if not plan.script.startswith(("flux_2", "qwen_image", "zimage", "krea2", "ideogram4", "hidream_o1")):
        return
    for data in plan.datasets:
        for key in ("video_directory", "video_jsonl_file"):
            setting = data.get(key)
            if setting.written:
                yield setting.finding(
                    f"`{key}`: this model is trained on images, and musubi refuses the dataset", "use `image_directory`"
                )
