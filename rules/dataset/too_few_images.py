from collections.abc import Iterator

from lora_doctor.derived import image_count
from lora_doctor.plan import Plan
from lora_doctor.recipes.sizes import SIZES
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """Fewer images than this purpose needs.

    Why: below a few images a subject is learned with its background and pose, a style with its motifs, a domain with
    the look of single pieces. The numbers are rules of thumb: 3 for a subject, 15 for a style, 30 for a domain, 50
    for one with many kinds. Quality counts for more.
    Instead: more images that differ, rather than more steps on these.
    Sources: the field's notes on dataset size; SceneWorks docs/sc-6530/dataset-doctor-metrics.md (person 15, style
    20, object 10, at least 4)

    ```files
    data/a.png
    data/a.txt: a ring on slate
    data/b.png
    data/b.txt: a ring on sand
    ```
    ```toml lora-doctor flagged
    purpose = "style"
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    ```files
    data/a.png
    data/a.txt: a ring on slate
    data/b.png
    data/b.txt: a ring on sand
    data/c.png
    data/c.txt: a ring on moss
    ```
    ```toml lora-doctor clean
    purpose = "subject"
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    """
    size, count = SIZES.get(str(plan.purpose.value)), image_count(plan)
    if size is None or not count or count >= size.least or plan.purpose.place is None:
        return
    yield plan.purpose.finding(
        f"{count} image{'s' * (count != 1)} for a {size.purpose} LoRA: below {size.least} it seldom works",
        f"{size.good[0]} to {size.good[1]} are recommended",
    )
