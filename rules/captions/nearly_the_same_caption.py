from collections.abc import Iterator

from lora_doctor.captions.facts import Captions, names, quoted
from lora_doctor.captions.words import words
from lora_doctor.rule import Finding, rule

FEWEST = 10  # words: shorter captions of one thing are bound to be alike


@rule(level="note", evidence="documented")
def check(captions: Captions) -> Iterator[Finding]:
    """Long captions of different images that differ in a single word.

    Why: a text that is filled into a template says next to nothing about its image; what the template repeats becomes
    part of the LoRA and of every prompt that should call it. Nearly equal captions act like equal ones.
    Instead: describe each image by itself: light, angle, background. A data set of one thing that changes in one way
    (colours of a product) is meant to be like this.
    Sources: Somepalli et al. 2023, arXiv:2305.20086 (duplicated captions drive replication); Scenario help, 'things
    you put in every caption become constants'

    ```files
    data/a.png
    data/a.txt: zwx ring, a product photo with soft studio light on a slab of slate, seen from above
    data/b.png
    data/b.txt: zwx ring, a product photo with soft studio light on a slab of marble, seen from above
    data/c.png
    data/c.txt: zwx ring, a product photo with soft studio light on a slab of oak, seen from above
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
    data/a.txt: zwx ring, a product photo with soft studio light on a slab of slate, seen from above
    data/b.png
    data/b.txt: a zwx ring of white gold lies in wet sand, late sun from the left, waves blurred far behind it
    data/c.png
    data/c.txt: close-up of a hand with a zwx ring, window light, the oak table under it out of focus
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    """
    texts = {entry.image: tuple(words(entry.text.lower())) for entry in captions.filled}
    first: dict[int, tuple[str, ...]] = {}  # by the hash of a text with one word left out
    twins: set[tuple[str, ...]] = set()
    for text in set(texts.values()):
        for i in range(len(text) if len(text) >= FEWEST else 0):
            other = first.setdefault(hash((*text[:i], "", *text[i + 1 :])), text)
            if other is not text:
                twins |= {text, other}
    alike = [entry for entry in captions.filled if texts[entry.image] in twins]
    if captions.describing and len(alike) >= 3:
        found = tuple(alike)
        yield captions.finding(
            f"{len(found)} of {len(captions.entries)} captions differ from another in a single word "
            f"({names(found)}: {quoted(found[0].text)})",
            "describe each image by itself",
            found,
        )
