from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

WEIGHTS_GB = 18.2  # 9.08e9 parameters x 2 bytes


@rule(level="note", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """Klein 9B is kept in bf16, which takes 18 GB before anything is trained.

    Why: 9.08 billion weights at two bytes; SimpleTuner's table gives 22 GB for LoRA training in bf16 and 14 GB in int8.
    In fp8 the frozen base takes 9 GB, and the adapter stays in high precision.
    Instead: fp8 or int8 storage of the base on cards below 32 GB; nothing on larger ones.
    Sources: bghira/SimpleTuner documentation/quickstart/FLUX2.md; tdrussell/diffusion-pipe docs/supported_models.md
    (`diffusion_model_dtype = 'float8'` for 9B)

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
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
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    diffusion_model_dtype = "float8"
    [adapter]
    type = "lora"
    rank = 32
    ```
    """
    base = plan.precision.base
    swapped = plan.precision.blocks_to_swap.value or plan.get("pipeline_stages").value not in (None, 1)
    if not plan.training or plan.model.size != "9B" or base.value != "bf16" or swapped or base.place is None:
        return
    if plan.network.kind.value != "full":
        yield base.finding(
            f"the frozen 9B base in bf16 takes {WEIGHTS_GB:g} GB before anything is trained",
            "store it in fp8 or int8 on a card below 32 GB",
        )
