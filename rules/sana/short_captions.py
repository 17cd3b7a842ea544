from collections.abc import Iterator

from lora_doctor.captions.facts import Captions
from lora_doctor.captions.words import words
from lora_doctor.rule import Finding, rule

FEWEST = 4  # captions
SHORT = 15  # words


@rule(level="note", evidence="documented")
def check(captions: Captions) -> Iterator[Finding]:
    """Captions are short for SANA.

    Why: SANA was trained on long captions by vision language models, and its pipelines lengthen prompts by an
    instruction to Gemma. Short captions leave most of the image unexplained, and short prompts look poor.
    Instead: two or three sentences per image.
    Sources: bghira/SimpleTuner@bc8e6ab documentation/quickstart/SANA.md; NVlabs/Sana (complex human instruction)

    ```files
    data/a.png
    data/a.txt: zwx ring on slate, lit from the left
    data/b.png
    data/b.txt: zwx ring on wet sand at dusk
    data/c.png
    data/c.txt: zwx ring on moss in the shade
    data/d.png
    data/d.txt: zwx ring on dark velvet
    ```
    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers"
    [[data]]
    folder = "data"
    ```
    ```files
    data/a.png
    data/a.txt: zwx ring of 18k gold with a faceted stone, on slate, seen close up, soft light from the left
    data/b.png
    data/b.txt: zwx ring of 18k gold with a faceted stone, on wet sand, seen close up, soft light from the left
    data/c.png
    data/c.txt: zwx ring of 18k gold with a faceted stone, on moss, seen close up, soft light from the left
    data/d.png
    data/d.txt: zwx ring of 18k gold with a faceted stone, on velvet, seen close up, soft light from the left
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers"
    [[data]]
    folder = "data"
    ```
    """
    lengths = sorted(len(words(text)) for text in captions.texts)
    if not captions.usual or len(lengths) < FEWEST:
        return
    middle = lengths[len(lengths) // 2]
    if middle < SHORT:
        yield captions.finding(
            f"half of the captions have {middle} words or fewer: SANA was trained on long ones",
            "describe the images in two or three sentences",
        )
