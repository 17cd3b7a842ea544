from collections.abc import Iterator

from lora_doctor.derived import normalised_learning_rate, optimizer_family
from lora_doctor.models.families import FAMILIES
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
    rate, family = normalised_learning_rate(plan), FAMILIES.get(plan.model.family or "")
    band = family.learning_rate if family else None
    if not plan.training or rate is None or family is None or band is None or not plan.learning_rate.written:
        return
    if plan.network.kind.value != "lora" or optimizer_family(plan.optimizer.name.value) not in ("adamw", None):
        return
    low, high = band.warn[0] or 0.0, band.warn[1] or 0.1
    defaulted = not plan.network.alpha.written and plan.network.scale not in (None, 1.0)
    if defaulted and low <= float(plan.learning_rate.value or 0) <= high:
        return  # alpha is what is off, and its own rules say so
    if low * 0.999 <= rate <= high * 1.001 and not band.ok[0] * 0.999 <= rate <= band.ok[1] * 1.001:
        scale = "" if plan.network.scale in (None, 1.0) else f" ({rate:.2g} at alpha = rank)"
        yield plan.learning_rate.finding(
            f"learning rate {plan.learning_rate.value:g}{scale} is outside the {band.ok[0]:g} to {band.ok[1]:g} that "
            f"published {family.title} recipes span"
        )
