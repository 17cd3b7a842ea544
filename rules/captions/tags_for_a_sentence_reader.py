from collections.abc import Iterator

from lora_doctor.captions.facts import Captions, counted, quoted
from lora_doctor.captions.words import style
from lora_doctor.rule import Finding, rule

SENTENCES = ("flux2-klein", "flux2-dev", "flux1", "sana", "sd3")
FEWEST = 4  # captions


@rule(level="warning", evidence="documented")
def check(captions: Captions) -> Iterator[Finding]:
    """Captions are tag lists, and the model reads sentences.

    Why: FLUX, SANA and SD3 are conditioned on a language model (Qwen3, T5, Gemma) that was trained on sentences, and
    their own training captions were sentences. A list of tags does not say which adjective belongs to what; prompts
    in sentences then meet the LoRA off its training distribution.
    Instead: write a sentence or two per image. Tags are right for SDXL tunes that were trained on them.
    Sources: black-forest-labs/flux2 docs (prompting guide: natural language); NVlabs/Sana (captions by vision
    language models); https://civitai.com/articles/7203

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
    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
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
    path = "black-forest-labs/FLUX.2-klein-base-9B"
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
    known = [entry for entry in captions.filled if style(entry.text) is not None]
    if captions.plan.model.family in SENTENCES and len(known) >= FEWEST and len(tags) >= 0.6 * len(captions.filled):
        yield captions.finding(
            f"{counted(tags, captions, 'are')} tag lists ({quoted(tags[0].text)}), and this model's "
            "text encoder reads sentences",
            "describe the images in sentences",
            tags,
        )
