import re
from collections.abc import Iterator

from lora_doctor.captions.facts import Captions, counted, names
from lora_doctor.captions.patterns import QUALITY_TAG, SCORE_TAG, first
from lora_doctor.rule import Finding, rule

# Tunes may have been trained with such tags.
PLAIN_SDXL = re.compile(r"stable-diffusion-xl|sd_?xl_base")


@rule(level="warning", evidence="documented")
def check(captions: Captions) -> Iterator[Finding]:
    """Quality tags of another model stand in the captions.

    Why: `score_9`, `masterpiece` and the like mean something only to models that were trained with them (Pony,
    Illustrious, NoobAI, Animagine). To FLUX, SANA and SDXL itself they are words without an image, in front of the
    description, that fuse with the LoRA.
    Instead: remove them.
    Sources: model cards of Pony Diffusion V6 XL (`score_9`) and Animagine XL (`masterpiece, best quality`) on Hugging
    Face; 0xBeycan/caption-audit (constants fuse)

    ```files
    data/a.png
    data/a.txt: score_9, score_8_up, zwx ring on slate
    data/b.png
    data/b.txt: score_9, zwx ring on sand
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
    data/a.txt: zwx ring on slate
    data/b.png
    data/b.txt: zwx ring on sand
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
    data/a.txt: score_9, zwx, ring, slate
    data/b.png
    data/b.txt: score_9, zwx, ring, sand
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "models/ponyDiffusionV6XL.safetensors"
    [[data]]
    folder = "data"
    ```
    """
    plan = captions.plan
    name = str(plan.model.setting.value or "").lower()
    if plan.model.family is None or (plan.model.family == "sdxl" and name != "" and not PLAIN_SDXL.search(name)):
        return
    tagged = tuple(entry for entry in captions.filled if SCORE_TAG.search(entry.text) or QUALITY_TAG.search(entry.text))
    if tagged:
        tag = first(SCORE_TAG, tagged[0].text) or first(QUALITY_TAG, tagged[0].text)
        yield captions.finding(
            f"{counted(tagged, captions, 'have')} quality tags that mean nothing to this model, "
            f"such as `{tag}` ({names(tagged)})",
            "remove them",
            tagged,
        )
