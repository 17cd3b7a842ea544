from collections.abc import Iterator

from lora_doctor.captions.facts import Captions, counted, names
from lora_doctor.captions.words import style
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented")
def check(captions: Captions) -> Iterator[Finding]:
    """Some captions are tag lists, others sentences.

    Why: the two styles are told apart before anything else is learned: the LoRA answers differently to each, and to a
    prompt in one style with only the images that were captioned in it.
    Instead: write all of them in one style.
    Sources: https://civitai.com/articles/7203 (tags or sentences, by model)

    ```files
    data/a.png
    data/a.txt: zwx, ring, gold, slate, closeup
    data/b.png
    data/b.txt: zwx, ring, gold, sand, closeup
    data/c.png
    data/c.txt: zwx, ring, silver, moss, backlight
    data/d.png
    data/d.txt: zwx ring of gold on a slab of slate, seen from above
    data/e.png
    data/e.txt: a zwx ring that rests on wet sand in evening light
    data/f.png
    data/f.txt: a silver zwx ring is lying on moss
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
    data/a.txt: zwx, ring, gold, slate, closeup
    data/b.png
    data/b.txt: zwx, ring, gold, sand, closeup
    data/c.png
    data/c.txt: zwx, ring, silver, moss, backlight
    data/d.png
    data/d.txt: zwx, ring, silver, velvet, backlight
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "stabilityai/stable-diffusion-xl-base-1.0"
    [[data]]
    folder = "data"
    ```
    """
    tags = tuple(entry for entry in captions.filled if style(entry.text) == "tags")
    prose = tuple(entry for entry in captions.filled if style(entry.text) == "prose")
    fewer, more = sorted((tags, prose), key=len)
    if captions.usual and len(fewer) >= 2 and len(fewer) >= 0.2 * len(captions.filled):
        kind, rest = ("tag lists", "sentences") if fewer == tags else ("sentences", "tag lists")
        yield captions.finding(
            f"{counted(fewer, captions, 'are')} {kind} ({names(fewer)}), {len(more)} are {rest}",
            "write all of them in one style",
            fewer,
        )
