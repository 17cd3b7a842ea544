import re
from collections.abc import Iterator

from lora_doctor.captions.facts import Captions, counted, quoted
from lora_doctor.captions.words import style
from lora_doctor.rule import Finding, rule

TUNED = re.compile(r"pony|illustrious|noob|animagine|autismmix|wai-?(?:nsfw|ani)")
FEWEST = 4  # captions


@rule(level="note", evidence="documented")
def check(captions: Captions) -> Iterator[Finding]:
    """Captions are sentences, and the base model was trained on tags.

    Why: Pony, Illustrious, NoobAI and Animagine were trained on booru tags, which their prompts are made of. A LoRA
    trained with sentences answers to tags only in part.
    Instead: tag the images, or mix both on purpose: Illustrious and NoobAI take short sentences behind the tags.
    Sources: model cards of Pony Diffusion V6 XL, Illustrious XL, NoobAI XL and Animagine XL on Hugging Face
    (recommended prompts)

    ```files
    data/a.png
    data/a.txt: zwx ring of gold on a slab of slate, seen from above
    data/b.png
    data/b.txt: a zwx ring that rests on wet sand in evening light
    data/c.png
    data/c.txt: a silver zwx ring is lying on moss
    data/d.png
    data/d.txt: a zwx ring with a small stone on dark velvet
    ```
    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "models/ponyDiffusionV6XL.safetensors"
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
    path = "models/ponyDiffusionV6XL.safetensors"
    [[data]]
    folder = "data"
    ```
    ```files
    data/a.png
    data/a.txt: zwx ring of gold on a slab of slate, seen from above
    data/b.png
    data/b.txt: a zwx ring that rests on wet sand in evening light
    data/c.png
    data/c.txt: a silver zwx ring is lying on moss
    data/d.png
    data/d.txt: a zwx ring with a small stone on dark velvet
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "stabilityai/stable-diffusion-xl-base-1.0"
    [[data]]
    folder = "data"
    ```
    """
    name = str(captions.plan.model.setting.value or "").lower()
    prose = tuple(entry for entry in captions.filled if style(entry.text) == "prose")
    if captions.plan.model.family == "sdxl" and TUNED.search(name) and len(captions.filled) >= FEWEST:
        if len(prose) >= 0.6 * len(captions.filled):
            yield captions.finding(
                f"{counted(prose, captions, 'are')} sentences ({quoted(prose[0].text)}), and this "
                "model was trained on booru tags",
                "tag the images",
                prose,
            )
