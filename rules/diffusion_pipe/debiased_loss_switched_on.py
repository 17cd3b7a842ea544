from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`debiased_estimation_loss = false` switches it on.

    Why: the loss asks whether the key is there (`is not None`), not whether it is true.
    Instead: remove the key.
    Sources: tdrussell/diffusion-pipe@8f83dbf models/sdxl.py lines 377 and 647,
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "sdxl"
    checkpoint_path = "/models/sd_xl_base_1.0.safetensors"
    dtype = "bfloat16"
    debiased_estimation_loss = false
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
    debiased = plan.get("model.debiased_estimation_loss")
    if debiased.written and debiased.value is False and plan.get("model.type").value == "sdxl":
        yield debiased.finding("`debiased_estimation_loss` = false switches it on", "remove it", debiased.remove())
