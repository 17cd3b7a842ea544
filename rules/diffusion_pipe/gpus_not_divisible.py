from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The GPUs can't be divided into whole pipelines.

    Why: one copy of the model takes `pipeline_stages` GPUs, and `--num_gpus` must be a multiple of it; otherwise
    DeepSpeed's PipelineModule raises a RuntimeError when it is built, after caching and loading.
    Instead: set `--num_gpus` to a multiple of `pipeline_stages`, or `pipeline_stages` to a divisor.
    Sources: tdrussell/diffusion-pipe@8f83dbf README.md "Parallelism" and train.py line 610,
    https://github.com/tdrussell/diffusion-pipe; deepspeed 0.18.4 runtime/pipe/module.py

    ```toml file train.toml
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    pipeline_stages = 2
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    ```shell diffusion-pipe flagged
    NCCL_P2P_DISABLE="1" NCCL_IB_DISABLE="1" deepspeed --num_gpus=1 train.py --deepspeed --config train.toml
    ```
    ```toml file train.toml
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    pipeline_stages = 2
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    ```shell diffusion-pipe clean
    NCCL_P2P_DISABLE="1" NCCL_IB_DISABLE="1" deepspeed --num_gpus=2 train.py --deepspeed --config train.toml
    ```
    """
    if plan.launch is None:
        return
    gpus, stages = plan.launch.get("num_gpus"), plan.get("pipeline_stages").value
    if isinstance(gpus.value, int) and isinstance(stages, int) and stages > 0 and gpus.value % stages:
        yield gpus.finding(
            f"{gpus.value} GPUs with `pipeline_stages` = {stages}: RuntimeError after caching and loading",
            f"start with a multiple of {stages}, or set `pipeline_stages` to 1",
        )
