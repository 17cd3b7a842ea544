from collections.abc import Iterator

from lora_doctor.captions.facts import Captions
from lora_doctor.captions.lexicon import covered, spoken
from lora_doctor.rule import Finding, rule

FEWEST = 4  # captions


@rule(level="note", evidence="reported")
def check(captions: Captions) -> Iterator[Finding]:
    """A style LoRA's captions describe the style.

    Why: what the captions name, the prompt has to name: the style then appears only with those words, and the trigger
    alone carries little of it.
    Instead: describe only what is in the picture, and leave the style to the trigger.
    Sources: https://happyin.space style LoRA notes (content-only captions); Scenario help on style models

    ```files
    data/a.png
    data/a.txt: a fox in snow, watercolor style, soft washes
    data/b.png
    data/b.txt: a ship at sea, watercolor style, soft washes
    data/c.png
    data/c.txt: a old bridge, watercolor style, soft washes
    data/d.png
    data/d.txt: a bowl of plums, watercolor style, soft washes
    data/e.png
    data/e.txt: a woman with an umbrella, watercolor style, soft washes
    data/f.png
    data/f.txt: a barn, watercolor style, soft washes
    ```
    ```toml lora-doctor flagged
    purpose = "style"
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    ```files
    data/a.png
    data/a.txt: a fox in snow
    data/b.png
    data/b.txt: a ship at sea
    data/c.png
    data/c.txt: a old bridge
    data/d.png
    data/d.txt: a bowl of plums
    data/e.png
    data/e.txt: a woman with an umbrella
    data/f.png
    data/f.txt: a barn
    ```
    ```toml lora-doctor clean
    purpose = "style"
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    """
    texts = captions.filled
    if captions.plan.purpose.value != "style" or len(texts) < FEWEST:
        return
    styled = tuple(entry for entry in texts if "style" in covered(entry.text))
    if len(styled) >= 0.5 * len(texts):
        yield captions.finding(
            f"{len(styled)} of {len(captions.entries)} captions of a style LoRA put the style into words, such as "
            f"`{spoken(styled[0].text, 'style')}`: it will then need those words",
            "describe the content only",
            styled,
        )
