from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

WITH_RATES = {"sdxl", "cosmos_predict2", "anima"}


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`gradient_release` stops with models that set no rate per group.

    Why: with it every parameter gets its own optimiser, whose rate is taken from the model's parameter group. Only
    SDXL, Cosmos-Predict2 and Anima put a rate into their groups: elsewhere it is a KeyError `lr` after caching and
    loading. It also switches gradient clipping off and allows one data-parallel process only.
    Instead: remove it; a LoRA's gradients are small. Save memory with `activation_checkpointing` and
    `blocks_to_swap`.
    Sources: tdrussell/diffusion-pipe@8f83dbf train.py lines 423-427, 715 and 745-756, models/base.py lines 414 and
    802, https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    [optimizer]
    type = "adamw8bit"
    lr = 1e-4
    gradient_release = true
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
    [optimizer]
    type = "adamw8bit"
    lr = 1e-4
    ```
    """
    release = plan.get("optimizer.gradient_release")
    if release.value is True and str(plan.get("model.type").value) not in WITH_RATES:
        message = "`gradient_release` with this model: KeyError `lr` after caching and loading"
        yield release.finding(message, "remove it", release.remove(safe=False))
