from collections.abc import Iterator

from lora_doctor.captions.facts import Captions
from lora_doctor.captions.words import language
from lora_doctor.rule import Finding, rule

ENGLISH = ("sdxl", "sd15", "sd2", "flux1", "sd3")
FEWEST = 3  # captions


@rule(level="warning", evidence="documented")
def check(captions: Captions) -> Iterator[Finding]:
    """Captions are in a language that the text encoder hardly knows.

    Why: CLIP was trained on English captions; in other scripts it falls back to single bytes, in other languages to
    fragments, so the 75 tokens hold little and mean less. T5 v1.1 is English too. Qwen3 and Gemma read many
    languages.
    Instead: caption in English.
    Sources: OpenAI CLIP model card (English only); google/t5-v1_1-xxl (pre-trained on C4, English)

    ```files
    data/a.png
    data/a.txt: zwx кольцо на сланце, мягкий свет
    data/b.png
    data/b.txt: zwx кольцо на песке, мягкий свет
    data/c.png
    data/c.txt: zwx кольцо на бархате
    data/d.png
    data/d.txt: zwx кольцо во мху
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
    data/a.txt: zwx ring on slate
    data/b.png
    data/b.txt: zwx ring on sand
    data/c.png
    data/c.txt: zwx ring on velvet
    data/d.png
    data/d.txt: zwx ring on moss
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "stabilityai/stable-diffusion-xl-base-1.0"
    [[data]]
    folder = "data"
    ```
    ```files
    data/a.png
    data/a.txt: zwx кольцо на сланце, мягкий свет
    data/b.png
    data/b.txt: zwx кольцо на песке, мягкий свет
    data/c.png
    data/c.txt: zwx кольцо на бархате
    data/d.png
    data/d.txt: zwx кольцо во мху
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    """
    if captions.plan.model.family not in ENGLISH or len(captions.texts) < FEWEST:
        return
    spoken = language(captions.texts)
    if spoken:
        yield captions.finding(
            f"the captions look {spoken}, and this model's text encoder was trained on English",
            "caption in English",
        )
