from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Training in float16 without loss scaling.

    Why: DeepSpeed's fp16 mode is not switched on, so no loss scale keeps small gradients away from 0: float16 ends
    at 6e-8. bfloat16 has float32's range.
    Instead: `dtype = "bfloat16"`; on a card without bf16 (before RTX 30) keep the adapter in `float32`.
    Sources: tdrussell/diffusion-pipe@8f83dbf train.py lines 424-431 (ds_config has no fp16 section),
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "sdxl"
    checkpoint_path = "/models/sd_xl_base_1.0.safetensors"
    dtype = "float16"
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
    dtype = plan.get("model.dtype")
    if plan.training and dtype.value == "float16":
        yield dtype.finding(
            "float16 without loss scaling: gradients below 6e-08 become 0",
            "use `bfloat16`",
            dtype.write("bfloat16", safe=False),
        )
