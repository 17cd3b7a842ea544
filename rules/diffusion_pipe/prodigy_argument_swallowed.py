from collections.abc import Iterator

from lora_doctor.models.optimizers import PRODIGY
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

OWN = {"type", "gradient_release", "beta2_half_life"}  # read by train.py itself
RENAMED = {"use_bias_correction": "bias_correction", "decouple": "weight_decouple"}


@rule(level="error", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    """A Prodigy argument that pytorch_optimizer ignores.

    Why: diffusion-pipe's Prodigy is pytorch_optimizer's, whose constructor swallows unknown arguments without a
    word; the names of the prodigyopt package (`use_bias_correction`, `decouple`, `slice_p`) have no effect there.
    Instead: use pytorch_optimizer's names: `bias_correction`, `weight_decouple`, `d_coef`, `safeguard_warmup`.
    Sources: pytorch_optimizer 4.1.0 optimizer/prodigy.py (**kwargs), https://github.com/kozistr/pytorch_optimizer;
    tdrussell/diffusion-pipe@8f83dbf train.py line 700, https://github.com/tdrussell/diffusion-pipe

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
    type = "Prodigy"
    lr = 1
    use_bias_correction = true
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
    type = "Prodigy"
    lr = 1
    bias_correction = true
    ```
    """
    if plan.optimizer.name.value != "Prodigy":
        return
    for key in plan.config.items("optimizer"):
        argument = key.rpartition(".")[2]
        if argument not in OWN and argument not in PRODIGY:
            setting = plan.get(key)
            right = RENAMED.get(argument)
            yield setting.finding(
                f"pytorch_optimizer's Prodigy ignores `{argument}`",
                f"write `{right}`" if right else "remove it",
                setting.call(right, safe=False) if right else setting.remove(),
            )
