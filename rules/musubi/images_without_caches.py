from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

CACHES = {"dev": "f2d", "klein-4b": "f2k4b", "klein-base-4b": "f2k4b", "klein-9b": "f2k9b", "klein-base-9b": "f2k9b"}


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Images that training will not see, because they have no cache.

    Why: training lists the cache folder, not the images: what lacks its latent or its text cache for this model is left
    out without an error.
    Instead: run both caching scripts again before training.
    Sources: kohya-ss/musubi-tuner@30c658c dataset/image_video_dataset.py `prepare_for_training`,
    https://github.com/kohya-ss/musubi-tuner

    ```files
    data/a.png
    data/a.txt: zwx, a ring on slate
    data/a_1024x1024_f2k9b.safetensors
    data/a_f2k9b_te.safetensors
    data/b.png
    data/b.txt: zwx, a ring on sand
    ```
    ```toml file dataset.toml
    [general]
    resolution = [1024, 1024]
    caption_extension = ".txt"
    enable_bucket = true
    [[datasets]]
    image_directory = "data"
    ```
    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx
    ```
    ```files
    data/a.png
    data/a.txt: zwx, a ring on slate
    data/a_1024x1024_f2k9b.safetensors
    data/a_f2k9b_te.safetensors
    ```
    ```toml file dataset.toml
    [general]
    resolution = [1024, 1024]
    caption_extension = ".txt"
    enable_bucket = true
    [[datasets]]
    image_directory = "data"
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx
    ```
    """
    suffix = CACHES.get(str(plan.get("model_version").value))
    if not plan.training or not plan.script.startswith("flux_2") or suffix is None or plan.prepared_by:
        return
    for data in plan.datasets:
        if data.listing is None or data.caches is None or not data.caption_extension.value:
            continue
        names = [name.rpartition("/")[2] for name in (*data.caches.images, *data.caches.others)]
        latents = {name.rsplit("_", 2)[0] for name in names if name.endswith(f"_{suffix}.safetensors")}
        texts = {name.removesuffix(end) for name in names if name.endswith(end := f"_{suffix}_te.safetensors")}
        if not latents and not texts:
            continue  # nothing is cached yet
        images = data.listing.captioned(data.caption_extension.value)
        missing = [name for name in images if name.rpartition(".")[0] not in latents & texts]
        if missing:
            yield data.folder.finding(
                f"{len(missing)} of {len(images)} captioned images have no `{suffix}` cache and are not trained on: "
                + ", ".join(missing[:3]),
                "run both caching scripts again",
            )
