from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet, them
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="documented")
def check(images: ImageSet) -> Iterator[Finding]:
    """Before and after are the same picture.

    Why: A pair without a change teaches to change nothing. A few are a fair way to keep what must not be edited; by
    accident they weaken the edit.
    Instead: Remove them unless they are meant.
    Sources: the decoded pixels are compared

    ```dataset control=before flagged
    a.png: 128x128 photo
    before/a.png: 128x128 like=a.png
    ```
    ```dataset control=before clean
    a.png: 128x128 photo
    before/a.png: 128x128 like=a.png grain=9
    ```
    """
    pairs = images.pairs
    if pairs is not None and pairs.identical:
        yield images.finding(
            pairs.identical,
            f"{len(pairs.identical)} of {pairs.matched} pairs show{'s' * (len(pairs.identical) == 1)} no change",
            f"remove {them(pairs.identical)} unless no change is meant",
        )
