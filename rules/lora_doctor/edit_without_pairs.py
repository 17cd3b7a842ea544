from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """An edit is to be learned, and images have no picture before the edit.

    Why: what an edit does is the difference between two pictures. Without the one before (`control`), the images are
    trained as text-to-image: the LoRA draws things that look like the results, whatever picture it is given.
    Instead: name the folder with the pictures before the edit, the same file names in both; or take out the folder.
    Sources: the guide retold at https://happyin.space ("Two-Stage Domain Training": paired data for editing);
    ostris/ai-toolkit#536 (3,500 steps without the control images: no change in the samples)

    ```toml lora-doctor flagged
    output = "run"
    model = {path = "models/FLUX.2-klein-base-4B", family = "flux2-klein-4b"}
    data = [{folder = "data/houses"}]
    [stage.domain]
    training = {steps = 2000}
    [stage.task]
    purpose = "edit"
    build = "stack"
    training = {steps = 500}
    data = [{folder = "data/after"}]
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
    if plan.purpose.value != "edit":
        return
    for data in plan.datasets:
        if not data.control.value and not data.regularisation.value:
            yield data.folder.finding(
                "an edit is learned from pairs, and these images have no picture before the edit: they are trained as "
                "text-to-image",
                f"name the folder with the pictures before it: `{data.control.key}`",
            )
