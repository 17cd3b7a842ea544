from collections.abc import Iterator

from lora_doctor.derived import image_count
from lora_doctor.plan import Plan
from lora_doctor.recipes.sizes import SIZES
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """More images than help for this purpose.

    Why: for a subject, 15 images that differ say as much as 40 of which most are alike; the weak ones pull the
    average down. For a style the notes stop at 50, for a domain at 200, for a varied one at 500.
    Instead: keep the best, and those that differ most.
    Sources: the field's notes on dataset size ('curated > quantity')

    ```files
    data/a.png
    data/a.txt: a ring on slate number one
    data/b.png
    data/b.txt: a ring on slate number two
    data/c.png
    data/c.txt: a ring on slate number three
    data/d.png
    data/d.txt: a ring on slate number four
    data/e.png
    data/e.txt: a ring on slate number five
    data/f.png
    data/f.txt: a ring on slate number six
    data/g.png
    data/g.txt: a ring on slate number seven
    data/h.png
    data/h.txt: a ring on slate number eight
    data/i.png
    data/i.txt: a ring on slate number nine
    data/j.png
    data/j.txt: a ring on slate number ten
    data/k.png
    data/k.txt: a ring on slate number eleven
    data/l.png
    data/l.txt: a ring on slate number twelve
    data/m.png
    data/m.txt: a ring on slate number thirteen
    data/n.png
    data/n.txt: a ring on slate number fourteen
    data/o.png
    data/o.txt: a ring on slate number fifteen
    data/p.png
    data/p.txt: a ring on slate number sixteen
    ```
    ```toml lora-doctor flagged
    purpose = "subject"
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    ```files
    data/a.png
    data/a.txt: a ring on slate number one
    data/b.png
    data/b.txt: a ring on slate number two
    data/c.png
    data/c.txt: a ring on slate number three
    data/d.png
    data/d.txt: a ring on slate number four
    data/e.png
    data/e.txt: a ring on slate number five
    data/f.png
    data/f.txt: a ring on slate number six
    data/g.png
    data/g.txt: a ring on slate number seven
    data/h.png
    data/h.txt: a ring on slate number eight
    data/i.png
    data/i.txt: a ring on slate number nine
    data/j.png
    data/j.txt: a ring on slate number ten
    data/k.png
    data/k.txt: a ring on slate number eleven
    data/l.png
    data/l.txt: a ring on slate number twelve
    data/m.png
    data/m.txt: a ring on slate number thirteen
    data/n.png
    data/n.txt: a ring on slate number fourteen
    data/o.png
    data/o.txt: a ring on slate number fifteen
    data/p.png
    data/p.txt: a ring on slate number sixteen
    ```
    ```toml lora-doctor clean
    purpose = "style"
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    """
    size, count = SIZES.get(str(plan.purpose.value)), image_count(plan)
    if size is not None and count and count > size.most and plan.purpose.place is not None:
        yield plan.purpose.finding(
            f"{count} images for a {size.purpose} LoRA: beyond {size.most} more adds little", "keep the best of them"
        )
