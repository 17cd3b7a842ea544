from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="contested")
def check(plan: Plan) -> Iterator[Finding]:
    """Weight decay 1e-5, "a tenth of the default, for analogue texture".

    Why: for it: one author of 50+ Klein runs found texture more balanced with it. Against it: the defaults it is a
    tenth of are ai-toolkit's and diffusers' 1e-4 (PyTorch, sd-scripts and diffusion-pipe use 0.01, which makes it a
    thousandth); another write-up of the same runs gives 1.5e-4; and over 7,000 steps at 1e-4 it removes 0.0007 % of a
    weight, which nothing can show.
    Instead: leave the default; look for texture in the data, the rank and the stopping point.
    Sources: the 50+ runs as retold at https://happyin.space; AdamW, arXiv:1711.05101

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [optimizer]
    weight_decay = 0.00001
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [optimizer]
    weight_decay = 0.01
    ```
    """
    decay = plan.optimizer.weight_decay
    if plan.training and decay.written and decay.value == 1e-5:
        yield decay.finding(
            "weight decay 1e-5 is said to balance analogue texture; it is a thousandth of PyTorch's default and acts "
            "on nothing",
            "leave the default",
        )
