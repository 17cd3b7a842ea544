from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """A second stage that learns text-to-image again.

    Why: a second stage pays where it teaches what to *do*, from pairs of before and after, on top of a LoRA that knows
    the domain. To draw the domain from text, the first stage is all there is to learn; a second one costs steps, and
    stacked or merged it leaves two files that have to be loaded together.
    Instead: train one LoRA on all images; or give the second stage pairs (`control`). Two stages are right without
    pairs where the second subject has few images and the first LoRA is there already, or where only the resolution
    grows (`growth` does that in one run).
    Sources: the guide retold at https://happyin.space ("Two-Stage Domain Training": for text-to-image in a domain,
    stage 1 alone is sufficient)

    ```toml lora-doctor flagged
    output = "run"
    model = {path = "models/FLUX.2-klein-base-4B", family = "flux2-klein-4b"}
    data = [{folder = "data/houses"}]
    [stage.domain]
    training = {steps = 2000}
    [stage.task]
    build = "stack"
    training = {steps = 500}
    data = [{folder = "data/kitchens"}]
    ```
    ```toml lora-doctor clean
    output = "run"
    model = {path = "models/FLUX.2-klein-base-4B", family = "flux2-klein-4b"}
    data = [{folder = "data/houses"}]
    [stage.domain]
    training = {steps = 2000}
    [stage.task]
    purpose = "edit"
    build = "stack"
    training = {steps = 500}
    data = [{folder = "data/after", control = "data/before"}]
    ```
    """
    stage = plan.stage
    if stage is None or not stage.before or stage.build.value == "fresh" or plan.purpose.value == "edit":
        return
    if plan.datasets and not any(data.control.value for data in plan.datasets):
        yield stage.build.finding(
            f"stage `{stage.name}` has no pairs: it learns text-to-image, as `{stage.before[-1].name}` before it did",
            "train one LoRA on all images, or give it pairs with `control`",
        )
