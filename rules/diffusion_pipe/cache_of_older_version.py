from collections.abc import Iterator
from datetime import UTC, datetime

from lora_doctor.dataset.freshness import changed, latents
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

RESCALED = {"flux2", "z_image", "ernie_image"}
SCALED_SINCE = datetime(2026, 8, 6, tzinfo=UTC).timestamp()


@rule(level="warning", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """The cached latents are from before FLUX.2's latents were scaled in the cache.

    Why: since 2026-08-06 the latents of FLUX.2, Z-Image and Ernie-Image are scaled when they are cached, no longer
    in the model. An older cache still fits its fingerprint and is used as it is: the whole run trains on unscaled
    latents.
    Instead: start once with `--regenerate_cache`, or delete the `cache` folder. With diffusion-pipe from before
    that day the old cache is right.
    Sources: tdrussell/diffusion-pipe@8f83dbf README.md (2026-08-06, 2026-06-07) and utils/cache.py,
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
    images/01.png
    images/cache/flux2_klein_9b/cache_1.000x1024x1024x1/latents/shard_0.bin @ 2026-07-01
    ```
    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
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
    images/01.png
    images/cache/flux2_klein_9b/cache_1.000x1024x1024x1/latents/shard_0.bin @ 2026-09-01
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    """
    kind = str(plan.get("model.type").value)
    if kind not in RESCALED or (plan.launch and plan.launch.has("regenerate_cache")):
        return
    for data in plan.datasets:
        if data.caches is None:
            continue
        shards = latents(data.caches, kind)
        times = changed(data.caches.folder, shards)
        old = [name for name, time in times.items() if time < SCALED_SINCE]
        if old:
            day = datetime.fromtimestamp(min(times.values()), UTC).date()
            yield data.folder.finding(
                f"the cached latents are of {day}, before diffusion-pipe scaled them in the cache (2026-08-06): newer "
                "versions train on them unscaled",
                "start once with `--regenerate_cache`",
            )
