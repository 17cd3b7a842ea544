from collections.abc import Iterator

from lora_doctor.captions.facts import Captions
from lora_doctor.captions.lexicon import EXAMPLES, KINDS, coverage
from lora_doctor.captions.words import language
from lora_doctor.rule import Finding, rule

FEWEST = 6  # captions
RARELY = 0.2  # of the captions
MANY = 5  # kinds, where the purpose is not a domain


@rule(level="note", evidence="documented")
def check(captions: Captions) -> Iterator[Finding]:
    """Most captions never mention some kinds of detail.

    Why: what a caption names can be changed in a prompt later; what it does not name becomes part of the LoRA. Notes
    on domain LoRAs ask for eight kinds: material, texture, lighting setup, camera angle, focal length, depth of
    field, background, style. Words are looked up in lists of our own, so a kind may be described in other words.
    Instead: name what varies between the images. For a style LoRA, leave the style itself undescribed.
    Sources: the field's notes on captions ('detailed captions matter more than quantity'); Scenario help, 'things you
    put in every caption become constants'

    ```files
    data/a.png
    data/a.txt: ring on dark background
    data/b.png
    data/b.txt: ring on slate
    data/c.png
    data/c.txt: ring on sand
    data/d.png
    data/d.txt: ring on moss
    data/e.png
    data/e.txt: ring on velvet
    data/f.png
    data/f.txt: ring on wood
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
    data/a.txt: zwx ring, 18k gold, faceted, soft light, on dark velvet, close-up, macro photo, sharp focus
    data/b.png
    data/b.txt: zwx ring, 18k gold, faceted, soft light, on slate, from above, macro photo, sharp focus
    data/c.png
    data/c.txt: zwx ring, 18k gold, faceted, soft light, on wet sand, side view, macro photo, sharp focus
    data/d.png
    data/d.txt: zwx ring, 18k gold, faceted, soft light, on a linen cloth, three-quarter view, macro photo, sharp focus
    data/e.png
    data/e.txt: zwx ring, 18k gold, faceted, soft light, on moss, close-up, macro photo, sharp focus
    data/f.png
    data/f.txt: zwx ring, 18k gold, faceted, soft light, against a white backdrop, front view, macro photo, sharp focus
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    """
    purpose, texts = captions.plan.purpose.value, captions.texts
    if len(texts) < FEWEST or not captions.describing or language(texts) is not None:
        return
    counts = coverage(texts)
    kinds = [kind for kind in KINDS if not (kind == "style" and purpose == "style")]
    missing = [kind for kind in kinds if counts[kind] < RARELY * len(texts)]
    if len(missing) >= (1 if purpose in ("domain", "complex-domain") else MANY):
        yield captions.finding(
            f"fewer than one caption in five mentions {', '.join(missing)}",
            f"name what varies, such as {'; '.join(EXAMPLES[kind] for kind in missing[:2])}",
        )
