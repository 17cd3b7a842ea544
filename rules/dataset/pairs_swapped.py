from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented")
def check(images: ImageSet) -> Iterator[Finding]:
    """The two folders of a pair look exchanged.

    Why: The folder trained on holds what comes out, the control folder what goes in. Exchanged, the LoRA learns the
    edit backwards, with a loss that looks fine.
    Instead: Exchange the two paths. Only the names of the folders speak here; `lora-doctor train` starts all the same
    with `--no-preflight`.
    Sources: diffusion-pipe, ai-toolkit and musubi-tuner all train on the folder and condition on the control folder

    ```dataset folder=before control=after flagged
    before/a.png: 128x128 photo
    after/a.png: 128x128 photo
    ```
    ```dataset folder=before control=after trainer=lora-doctor flagged
    before/a.png: 128x128 photo
    after/a.png: 128x128 photo
    ```
    ```dataset folder=after control=before clean
    after/a.png: 128x128 photo
    before/a.png: 128x128 photo
    ```
    """
    pairs = images.pairs
    if pairs is not None and pairs.swapped:
        finding = images.finding([], f"before and after look exchanged: {pairs.swapped}", "exchange the two paths")
        yield finding._replace(level="error") if images.plan.trainer == "lora-doctor" else finding
