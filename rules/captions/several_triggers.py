from collections.abc import Iterator

from lora_doctor.captions.facts import Captions
from lora_doctor.captions.triggers import has, leading
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="documented")
def check(captions: Captions) -> Iterator[Finding]:
    """Several triggers lead the captions of one folder.

    Why: one LoRA, one word: with two words for what looks alike, each is trained by half of the images. Two concepts
    in one LoRA are possible, but bleed into each other, most of all when they share a class.
    Instead: one trigger per LoRA; two concepts in folders of their own, so that repeats balance them.
    Sources: the field's notes (one trigger word per style); kohya-ss/sd-scripts docs/train_README (a folder per
    concept)

    ```files
    data/a.png
    data/a.txt: zwx ring on slate
    data/b.png
    data/b.txt: zwx ring on sand
    data/c.png
    data/c.txt: zwx ring on oak
    data/d.png
    data/d.txt: qvk ring on moss
    data/e.png
    data/e.txt: qvk ring on velvet
    data/f.png
    data/f.txt: qvk ring on felt
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
    data/a.txt: zwx ring on slate
    data/b.png
    data/b.txt: zwx ring on sand
    data/c.png
    data/c.txt: zwx ring on moss
    data/d.png
    data/d.txt: zwx ring on velvet
    data/e.png
    data/e.txt: zwx ring on oak
    data/f.png
    data/f.txt: zwx ring on felt
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    """
    texts = captions.texts
    often = [(word, count) for word, count in leading(texts) if count >= 3 and count >= 0.2 * len(texts)]
    alone = [(word, count) for word, count in often if not _together(texts, word, often)]
    if len(alone) > 1 and captions.usual:
        shown = ", ".join(f"`{word}` ({count})" for word, count in alone[:4])
        yield captions.finding(
            f"{len(alone)} invented words lead the captions of this folder: {shown}",
            "keep one, or give each concept its own folder",
        )


def _together(texts: tuple[str, ...], word: str, often: list[tuple[str, int]]) -> bool:
    """Whether a word mostly stands beside another candidate: then both are one trigger."""
    own = [text for text in texts if has(text, word)]
    return any(other != word and sum(has(text, other) for text in own) > len(own) / 2 for other, _ in often)
