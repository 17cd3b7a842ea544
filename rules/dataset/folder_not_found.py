from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The dataset's folder is not here, so the images were not looked at.

    Why: on the machine that trains, a missing folder stops the run or leaves it without images. Here it may only mean
    that the config is checked on another machine.
    Instead: run the linter where the images are, or pass `--no-dataset`.
    Sources: what is not known is said to be unknown

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "no/such/folder"
    ```
    ```files
    data/a.png
    data/a.txt: zwx, a ring on slate
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    """
    for data in plan.datasets:
        if data.looked_for and data.listing is None and data.folder.written:
            yield data.folder.finding(
                f"`{data.folder.value}` is not found from here: its images and captions were not examined"
            )
