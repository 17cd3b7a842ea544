from collections.abc import Iterator

from lora_doctor.captions.facts import Captions, counted, quoted
from lora_doctor.captions.lexicon import covered
from lora_doctor.captions.words import PLAIN, words
from lora_doctor.rule import Finding, rule

SENTENCES = ("flux2-klein", "flux2-dev", "flux1", "sana", "sd3")
FEWEST = 4  # captions


@rule(level="note", evidence="reported")
def check(captions: Captions) -> Iterator[Finding]:
    """Captions are next to nothing but the trigger.

    Why: a trigger and its class leave all of the image unexplained: background, light and pose are learned with the
    subject. On Klein such sets are reported to give poor likeness, and SANA was trained on long captions. For one
    subject on SDXL the method works, with regularisation images.
    Instead: a sentence per image that says what is not the subject.
    Sources: https://www.reddit.com/r/StableDiffusion/comments/1ri65uz (single-token captions on Klein);
    bghira/SimpleTuner@bc8e6ab documentation/quickstart/SANA.md (long captions)

    ```files
    data/a.png
    data/a.txt: zwx ring
    data/b.png
    data/b.txt: zwx ring
    data/c.png
    data/c.txt: zwx
    data/d.png
    data/d.txt: zwx ring on slate
    data/e.png
    data/e.txt: zwx
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
    word = captions.trigger.word if captions.trigger else ""
    bare = tuple(entry for entry in captions.filled if _content(entry.text, word) < 4 and len(covered(entry.text)) < 2)
    if captions.describing and len(captions.filled) >= FEWEST and len(bare) >= 0.3 * len(captions.filled):
        if captions.plan.model.family in SENTENCES:
            yield captions.finding(
                f"{counted(bare, captions, 'say')} next to nothing, such as {quoted(bare[0].text)}",
                "say what is in the image beside the subject",
                bare,
            )


def _content(text: str, trigger: str) -> int:
    """Words that say something, the trigger aside."""
    known = {part.lower() for part in words(trigger)}
    return sum(word.lower() not in PLAIN and word.lower() not in known for word in words(text))
