from collections.abc import Iterator

from lora_doctor.derived import effective_batch, samples_per_epoch
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

DROPPING = ("diffusion-pipe", "SimpleTuner")  # leave out what does not fill a step; diffusers has its own rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Fewer images than one step takes.

    Why: diffusion-pipe cuts each bucket to a multiple of batch x accumulation x devices, SimpleTuner drops batches that
    are not full: with fewer images than that, nothing is left and the run stops after caching.
    Instead: a smaller batch or accumulation, or repeats.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py lines 384-398 and #324,
    https://github.com/tdrussell/diffusion-pipe/issues/324; bghira/SimpleTuner#548

    ```files
    data/a.png
    data/a.txt: zwx, a ring on slate
    data/b.png
    data/b.txt: zwx, a ring on sand
    ```
    ```toml file dataset.toml
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "data"
    ```
    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 100
    save_every_n_epochs = 10
    micro_batch_size_per_gpu = 4
    [model]
    type = "flux2"
    dtype = "bfloat16"
    ```
    ```files
    data/a.png
    data/a.txt: zwx, a ring on slate
    data/b.png
    data/b.txt: zwx, a ring on sand
    ```
    ```toml file dataset.toml
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "data"
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 100
    save_every_n_epochs = 10
    micro_batch_size_per_gpu = 1
    [model]
    type = "flux2"
    dtype = "bfloat16"
    ```
    """
    batch, samples = effective_batch(plan), samples_per_epoch(plan)
    if plan.training and plan.trainer in DROPPING and batch and samples and 0 < samples < batch:
        named = plan.batch_size if plan.batch_size.written else plan.accumulation
        finding = named.finding if named.place is not None else plan.datasets[0].folder.finding
        yield finding(
            f"a step takes {batch} images, an epoch has {samples:g}: no batch is ever full and nothing is trained",
            "lower the batch or the accumulation, or repeat the images",
        )
