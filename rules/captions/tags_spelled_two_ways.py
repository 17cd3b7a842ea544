import re
from collections import Counter, defaultdict
from collections.abc import Iterator

from lora_doctor.captions.facts import Captions
from lora_doctor.captions.words import style
from lora_doctor.rule import Finding, rule

SHOWN = 3  # tags in the sentence
OTHER_WORDS = {"shorts", "glasses", "arms", "goods"}  # that are no plurals of what they seem to be
BRITISH = (("grey", "gray"), ("colour", "color"), ("blonde", "blond"), ("jewellery", "jewelry"), ("armour", "armor"))


@rule(level="note", evidence="documented")
def check(captions: Captions) -> Iterator[Finding]:
    """One tag is written in two ways.

    Why: to the text encoder `blonde_hair` and `blond hair` are different words: each is learned from its own images
    only, and a prompt with one of them calls a part of what you trained.
    Instead: write each tag in one way, the way the base model was trained with.
    Sources: aieasypic.com, a guide to LoRA data sets (inconsistent tags); rockerBOO/lora-inspector (tag frequencies)

    ```files
    data/a.png
    data/a.txt: zwx, 1girl, blonde hair, earrings, smile, park
    data/b.png
    data/b.txt: zwx, 1girl, blond_hair, earring, smile, beach
    data/c.png
    data/c.txt: zwx, 1girl, blonde hair, earrings, hat, street
    ```
    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "stabilityai/stable-diffusion-xl-base-1.0"
    [[data]]
    folder = "data"
    ```
    ```files
    data/a.png
    data/a.txt: zwx, 1girl, blonde hair, earrings, smile, park
    data/b.png
    data/b.txt: zwx, 1girl, blonde hair, earrings, shorts, beach
    data/c.png
    data/c.txt: zwx, 1girl, short blonde hair, short, hat, street
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "stabilityai/stable-diffusion-xl-base-1.0"
    [[data]]
    folder = "data"
    ```
    """
    listed = [entry for entry in captions.filled if style(entry.text) == "tags"]
    if not captions.usual or len(listed) < 2 or len(listed) < len(captions.filled) / 2:
        return
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for entry in listed:
        for tag in {part.strip() for part in re.split(r"[,\n]", entry.text)}:
            if tag:
                spellings[_same(tag)][tag] += 1
    several = [found for found in spellings.values() if len(found) > 1]
    if several:
        several.sort(key=lambda found: (-found.total(), min(found)))
        told = "; ".join(
            " and ".join(f"`{tag}` ({count})" for tag, count in found.most_common(2)) for found in several[:SHOWN]
        )
        used = {tag for found in several for tag in found}
        yield captions.finding(
            f"{len(several)} tag{'s are' if len(several) > 1 else ' is'} written in several ways: {told}",
            "write each in one way",
            tuple(each for each in listed if used & {part.strip() for part in re.split(r"[,\n]", each.text)}),
        )


def _same(tag: str) -> str:
    """What two spellings of one tag have in common."""
    plain = re.sub(r"[\s_-]+", " ", tag.lower())
    for one, other in BRITISH:
        plain = plain.replace(one, other)
    words = [word if word in OTHER_WORDS or word.endswith("ss") else word.removesuffix("s") for word in plain.split()]
    return "".join(words)
