from collections.abc import Iterator

from lora_doctor.captions.facts import Captions
from lora_doctor.captions.lexicon import covered
from lora_doctor.captions.words import after, constants, words
from lora_doctor.rule import Finding, rule

FEWEST = 8  # captions
SHARE = 0.9  # of the captions


@rule(level="note", evidence="documented")
def check(captions: Captions) -> Iterator[Finding]:
    """A word stands in nearly every caption and fuses with the trigger.

    Why: what always occurs together is learned as one: a background or a garment that every caption names comes with
    the trigger, and neither prompt nor negative prompt gets rid of it. Co-occurrence does this more than the choice
    of the token.
    Instead: vary it, or leave it out of the captions on purpose if it is to belong to the LoRA.
    Sources: FAD, arXiv:2603.27199 (trigger and context co-occur); 0xBeycan/caption-audit (document frequency of 85 %)

    ```files
    data/a.png
    data/a.txt: zwx ring on dark velvet, seen from above
    data/b.png
    data/b.txt: zwx ring on dark velvet, with two stones
    data/c.png
    data/c.txt: zwx ring on dark velvet, turned left
    data/d.png
    data/d.txt: zwx ring on dark velvet, in a row of three
    data/e.png
    data/e.txt: zwx ring on dark velvet, at an angle
    data/f.png
    data/f.txt: zwx ring on dark velvet, with an open band
    data/g.png
    data/g.txt: zwx ring on dark velvet, engraved inside
    data/h.png
    data/h.txt: zwx ring on dark velvet, worn thin
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
    data/a.txt: zwx ring on dark velvet
    data/b.png
    data/b.txt: zwx ring on slate
    data/c.png
    data/c.txt: zwx ring on wet sand
    data/d.png
    data/d.txt: zwx ring on moss
    data/e.png
    data/e.txt: zwx ring on a linen cloth
    data/f.png
    data/f.txt: zwx ring on oak
    data/g.png
    data/g.txt: zwx ring on marble
    data/h.png
    data/h.txt: zwx ring on an open palm
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    """
    texts, trigger = captions.texts, captions.trigger
    if len(texts) < FEWEST or not captions.describing or len(set(texts)) == 1:
        return
    leave = words(trigger.word) if trigger else []
    always = constants(texts, SHARE, leave)
    if captions.plan.purpose.value == "style":
        always = [(word, count) for word, count in always if "style" not in covered(word)]
    subject = after(texts, trigger.word if trigger else "")
    always = [each for each in always if each[0] != subject] if subject else always[1:]
    if always:
        shown = ", ".join(f"`{word}` ({count} of {len(texts)})" for word, count in always[:4])
        more = f" and {len(always) - 4} more" if len(always) > 4 else ""
        yield captions.finding(
            f"{'these words stand' if len(always) > 1 else 'this word stands'} in nearly every caption and will come "
            f"with the LoRA: {shown}{more}",
            "vary what they name, or leave them out if they are meant to belong to it",
        )
