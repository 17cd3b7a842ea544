from collections.abc import Iterator

from lora_doctor.captions.words import words
from lora_doctor.dataset.imageset import ImageSet, many
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented")
def check(images: ImageSet) -> Iterator[Finding]:
    """Copies of one picture with the same caption.

    Why: The pair of picture and words is what a model learns by heart: with copies of both, the caption (or the
    trigger in it) brings the picture back instead of the subject. Copies with captions of their own do so far less.
    Instead: Keep the best of each group. Where you mean the crops, say in each caption what it shows.
    Sources: Somepalli et al. 2023 (arXiv:2305.20086): replication needs images and captions that are both duplicated

    ```dataset flagged
    a.png: 300x300 photo
    a.txt: zwx cat on a sofa
    b.jpg: 240x240 like=a.png quality=80
    b.txt: zwx cat on a sofa
    ```
    ```dataset clean
    a.png: 300x300 photo
    a.txt: zwx cat on a sofa
    b.jpg: 240x240 like=a.png quality=80
    b.txt: zwx cat, its paws under a blanket
    ```
    """
    spare: list[str] = []
    for group in images.copies:
        seen: dict[str, str] = {}
        for name in group.names:
            text = " ".join(words(images.captions.get(name, "").lower()))
            if text and text in seen:
                spare += [name] if seen[text] in spare else [seen[text], name]
            elif text:
                seen[text] = name
    if spare:
        copies = "a copy of another" if len(spare) == 1 else "copies of others"
        yield images.finding(
            spare,
            f"{many(len(spare), 'file')} {copies}, caption included",
            "keep the best of each group, or say what each shows",
        )
