from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`min_snr_gamma = 0` multiplies the loss by 0.

    Why: the weight is min(snr, gamma) / snr and is applied whenever the key is there: with 0 every loss is 0 and
    nothing is learned.
    Instead: remove the key, or set it to 5.
    Sources: tdrussell/diffusion-pipe@8f83dbf models/sdxl.py lines 376 and 645 (sd-scripts' apply_snr_weight),
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
    min_snr_gamma = 0
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
    min_snr_gamma = 5
    ```
    """
    gamma = plan.get("model.min_snr_gamma")
    if gamma.written and gamma.value == 0 and gamma.value is not False and plan.get("model.type").value == "sdxl":
        message = "`min_snr_gamma` = 0 makes every loss 0: nothing is learned"
        yield gamma.finding(message, "remove it, or set it to 5", gamma.remove())
