from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Control images with FLUX.2, which this version of diffusion-pipe can't train.

    Why: since the latent scaling moved into the caching (b725474, August 2026) the FLUX.2 model reads an attribute
    that is no longer kept: the first batch with a control image is an AttributeError `model_patcher`, after all
    caching. The documented edit training of Klein is broken at this commit.
    Instead: remove `control_path` for text-to-image training, use diffusion-pipe from before August 2026 with a new
    cache, or check that your version has repaired it.
    Sources: tdrussell/diffusion-pipe@8f83dbf models/flux2.py line 177 and models/base.py line 664 (del
    model_patcher), https://github.com/tdrussell/diffusion-pipe

    ```toml file dataset.toml
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "images"
    control_path = "before"
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
    if plan.get("model.type").value == "flux2":
        for data in plan.datasets:
            if data.control.written:
                yield data.control.finding(
                    "`control_path` with FLUX.2: AttributeError `model_patcher` at the first batch in diffusion-pipe "
                "of August 2026 (8f83dbf)",
                    "remove it, or use a version that has this repaired",
                    data.control.remove(safe=False),
                )
