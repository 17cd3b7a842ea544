import os
from collections.abc import Iterator

from lora_doctor.captions.facts import Caption, Captions, counted, names, quoted
from lora_doctor.captions.patterns import CAMERA_FILE
from lora_doctor.captions.words import words
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented")
def check(captions: Captions) -> Iterator[Finding]:
    """The caption is the name of the file.

    Why: names like IMG_4711 or a hash say nothing about the image, and the model learns their letters as its
    description. They come from tools that fall back to the file name, or from a file-name caption strategy.
    Instead: write captions, or one prompt for all.
    Sources: bghira/SimpleTuner@bc8e6ab simpletuner/helpers/prompts.py line 390 (file names with `_` as blanks);
    kohya-ss/sd-scripts#1854, https://github.com/kohya-ss/sd-scripts/issues/1854

    ```files
    data/IMG_4711.png
    data/IMG_4711.txt: IMG_4711
    data/b.png
    data/b.txt: zwx ring on sand
    ```
    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    ```files
    data/IMG_4711.png
    data/IMG_4711.txt: zwx ring on slate
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
    """
    named = tuple(entry for entry in captions.filled if _is_name(entry))
    if named and captions.usual:
        yield captions.finding(
            f"{counted(named, captions, 'are')} file names, such as {quoted(named[0].text)} "
            f"({names(named)})",
            "describe the images",
            named,
        )


def _is_name(entry: Caption) -> bool:
    """A camera's or a tool's name, or this image's own where that is no description."""
    if CAMERA_FILE.search(entry.text):
        return True
    stem = os.path.splitext(os.path.basename(entry.image))[0]
    return bool(CAMERA_FILE.search(stem)) and words(stem.lower()) == words(entry.text.lower())
