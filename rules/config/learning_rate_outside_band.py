from collections.abc import Iterator

from lora_doctor.derived import banded_rate
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """The learning rate is near, but outside, the published band for this model.

    Why: recipes that work for FLUX.2 Klein span 5e-5 to 2e-4, for SDXL 3e-5 to 5e-4: a rate changes how fast a LoRA
    converges far more than where it ends, so this is a note. The claim that any change of the rate destroys FLUX is
    told, with both sides, by `lora-doctor explain learning-rate-off-recipe`.
    A rate that is only off through an alpha that was left at its default is told of by the rule on alpha.
    Instead: keep it if it was found by trying; otherwise start inside the band.
    Sources: the recipes named in `lora_doctor/models/families.py`; spacepxl's sweep,
    https://github.com/spacepxl/demystifying-sd-finetuning

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [optimizer]
    learning_rate = 3.5e-4
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [optimizer]
    learning_rate = 2e-4
    ```
    """
    found = banded_rate(plan)
    if found is None:
        return
    (low, high), (ok_low, ok_high) = found.band.limits, found.band.ok
    if low * 0.999 <= found.rate <= high * 1.001 and not ok_low * 0.999 <= found.rate <= ok_high * 1.001:
        yield plan.learning_rate.finding(
            f"learning rate {found.shown} is outside the {ok_low:g} to {ok_high:g} that published {found.family.title} "
            "recipes span"
        )
