from collections.abc import Iterator

from lora_doctor.dataset.freshness import changed, latents, newer
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Images were changed after their latents were cached.

    Why: the cache's fingerprint is made of names, captions, masks' names and buckets; neither the pixels nor the
    VAE are part of it. A retouched image with its old name is trained as it was before.
    Instead: start once with `--regenerate_cache`. When images were added, removed or recaptioned as well, the cache
    is rebuilt anyway.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py lines 85-102 and utils/cache.py,
    https://github.com/tdrussell/diffusion-pipe

    ```toml file dataset.toml
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "images"
    ```
    ```files
    images/01.png @ 2026-10-02
    images/cache/sdxl/cache_1.000x1024x1024x1/latents/shard_0.bin @ 2026-10-01
    ```
    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "sdxl"
    checkpoint_path = "/models/sd_xl_base_1.0.safetensors"
    dtype = "bfloat16"
    ```
    ```toml file dataset.toml
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "images"
    ```
    ```files
    images/01.png @ 2026-10-01
    images/cache/sdxl/cache_1.000x1024x1024x1/latents/shard_0.bin @ 2026-10-02
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "sdxl"
    checkpoint_path = "/models/sd_xl_base_1.0.safetensors"
    dtype = "bfloat16"
    ```
    """
    kind = str(plan.get("model.type").value)
    if plan.launch and plan.launch.has("regenerate_cache"):
        return
    for data in plan.datasets:
        if data.caches is None or data.listing is None:
            continue
        shards = latents(data.caches, kind)
        times = changed(data.caches.folder, shards)
        fresh = newer(data.listing.folder, data.listing.images, max(times.values())) if times else []
        if fresh:
            yield data.folder.finding(
                f"{len(fresh)} images are newer than their cached latents, which are used as long as the names stay: "
                + ", ".join(fresh[:3]),
                "start once with `--regenerate_cache`",
            )
