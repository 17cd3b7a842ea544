from collections.abc import Iterator

from lora_doctor.captions.facts import Caption, Captions, names, quoted
from lora_doctor.captions.words import words
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="documented")
def check(captions: Captions) -> Iterator[Finding]:
    """Several images share one caption, word for word.

    Why: one text for different images leaves the differences unexplained, and they are averaged into the LoRA. Where
    the images are alike too, the pair is what models memorise.
    Instead: say what differs: light, angle, background. One prompt for *all* images is another method, and is not
    meant here.
    Sources: Somepalli et al. 2023, arXiv:2305.20086 (duplicated captions drive replication more than duplicated
    images do)

    ```files
    data/a.png
    data/a.txt: zwx ring on slate
    data/b.png
    data/b.txt: zwx ring on slate
    data/c.png
    data/c.txt: zwx ring on sand
    data/d.png
    data/d.txt: zwx ring on moss
    ```
    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    ```files
    data/a.png
    data/a.txt: zwx ring on slate, backlit
    data/b.png
    data/b.txt: zwx ring on slate, from above
    data/c.png
    data/c.txt: zwx ring on sand
    data/d.png
    data/d.txt: zwx ring on moss
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    """
    groups: dict[str, list[Caption]] = {}
    for entry in captions.filled:
        groups.setdefault(" ".join(words(entry.text.lower())), []).append(entry)
    again = [group for group in groups.values() if len(group) > 1]
    if not again or len(groups) == 1 or not captions.describing:
        return
    again.sort(key=len, reverse=True)
    largest = tuple(again[0])
    images = tuple(entry for group in again for entry in group)
    yield captions.finding(
        f"{len(images)} of {len(captions.entries)} images share their caption with another ({names(largest)}: "
        f"{quoted(largest[0].text)})",
        "say what differs between them",
        images,
    )
