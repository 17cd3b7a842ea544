from collections.abc import Iterator
from os.path import normpath

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, Related, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The evaluation dataset is a folder that is trained on.

    Why: the loss on images the adapter has seen falls as it memorises them: the curve looks best where the LoRA is
    overtrained. Both datasets also share one cache in that folder, and the one read last decides captions and
    buckets for both.
    Instead: hold some images back in a folder of their own.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py lines 483 and 524-600 (the cache lies in the image
    folder), https://github.com/tdrussell/diffusion-pipe

    ```toml file dataset.toml
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "images"
    ```
    ```toml file eval.toml
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "images"
    ```
    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    eval_every_n_epochs = 1
    eval_datasets = [{name = "train", config = "eval.toml"}]
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
    ```toml file eval.toml
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "held_out"
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    eval_every_n_epochs = 1
    eval_datasets = [{name = "held_out", config = "eval.toml"}]
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    """
    trained = {normpath(str(data.folder.value)): data for data in plan.datasets if data.folder.value}
    own = {id(data.config) for data in plan.datasets}
    for config in plan.dataset_configs:
        if id(config) in own:
            continue
        for entry in config.items("directory"):
            folder = config.get(f"{entry}.path")
            key = normpath(str(folder.value))
            if folder.value and key in trained:
                yield folder.finding(
                    f"`{folder.value}` is trained on as well: its loss falls by memorising and shows no overfitting",
                    "evaluate on images that are held back",
                    related=tuple(Related(place, "trained on here") for place in [trained[key].folder.place] if place),
                )
