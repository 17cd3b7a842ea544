from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

WITHOUT = {"sdxl", "ltx-video", "cosmos", "lumina_2", "sd3", "omnigen2"}


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Block swapping where diffusion-pipe has none.

    Why: `blocks_to_swap` works for a LoRA on one pipeline stage, with models that implement it. Elsewhere it is an
    AssertionError or NotImplementedError after caching and loading.
    Instead: remove it; with several GPUs `pipeline_stages` already divides the model.
    Sources: tdrussell/diffusion-pipe@8f83dbf train.py lines 575-583, models/base.py lines 438 and 826,
    docs/supported_models.md, https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    blocks_to_swap = 8
    [model]
    type = "sdxl"
    checkpoint_path = "/models/sd_xl_base_1.0.safetensors"
    dtype = "bfloat16"
    [adapter]
    type = "lora"
    rank = 32
    ```
    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    blocks_to_swap = 8
    pipeline_stages = 2
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    [adapter]
    type = "lora"
    rank = 32
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    blocks_to_swap = 8
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    [adapter]
    type = "lora"
    rank = 32
    ```
    """
    swap, kind, stages = plan.precision.blocks_to_swap, str(plan.get("model.type").value), plan.get("pipeline_stages")
    if not plan.training or not swap.written or not swap.value:
        return
    reason = None
    if kind in WITHOUT:
        reason = f"`{kind}` has no block swapping"
    elif stages.value != 1:
        reason = f"block swapping needs `pipeline_stages` = 1, not {stages.value}"
    elif not plan.config.has("adapter"):
        reason = "block swapping needs an `[adapter]`"
    if reason:
        yield swap.finding(f"{reason}: it stops after caching and loading", "remove it", swap.remove(safe=False))
