from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`partition_split` does not fit the pipeline stages.

    Why: with `partition_method = "manual"` the list needs one split point fewer than there are stages, else an
    assertion fails after caching and loading; without the manual method it is ignored.
    Instead: give pipeline_stages - 1 layer numbers and `partition_method = "manual"`.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/pipeline.py lines 16-24, train.py lines 607-609,
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    pipeline_stages = 2
    partition_method = "manual"
    partition_split = [10, 20]
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    pipeline_stages = 2
    partition_split = [10]
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    pipeline_stages = 2
    partition_method = "manual"
    partition_split = [10]
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    """
    split, method, stages = plan.get("partition_split"), plan.get("partition_method"), plan.get("pipeline_stages").value
    if not split.written or not isinstance(split.value, list) or not isinstance(stages, int):
        return
    if str(method.value).lower() != "manual":
        message = '`partition_split` is ignored without `partition_method` = "manual"'
        yield split.finding(message, "set it, or remove this")
    elif len(split.value) != stages - 1:
        yield split.finding(
            f"{len(split.value)} split points for {stages} stages: AssertionError after caching and loading",
            f"give {stages - 1}",
        )
