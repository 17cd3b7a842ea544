from collections.abc import Iterator

from lora_doctor.captions.facts import Captions, counted, names, quoted, short
from lora_doctor.captions.lengths import cut_off, loses_trigger
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(captions: Captions) -> Iterator[Finding]:
    """A caption is longer than the text encoder reads.

    Why: CLIP reads 75 tokens (sd-scripts 150 or 225 on request), SANA 300, FLUX 512. What stands behind is cut
    without an error, or with one warning among thousands of lines, and is never trained. Counts are exact where the
    model's tokenizer lies in its folder; else they are the least number there can be.
    Instead: put what matters first, shorten, or raise the limit where the trainer has one.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_sdxl.py (`max_length=77`),
    pipeline_sana.py line 254; kohya-ss/sd-scripts `--max_token_length`; kohya-ss/sd-scripts#1877,
    https://github.com/kohya-ss/sd-scripts/issues/1877; Nerogar/OneTrainer#62

    ```text file data/a.txt
    zwx ring, a thin band of gold with a small stone and an engraved leaf,
    a thin band of gold with a small stone and an engraved leaf,
    a thin band of gold with a small stone and an engraved leaf,
    a thin band of gold with a small stone and an engraved leaf,
    a thin band of gold with a small stone and an engraved leaf,
    a thin band of gold with a small stone and an engraved leaf,
    a thin band of gold with a small stone and an engraved leaf
    ```
    ```files
    data/a.png
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
    data/a.txt: zwx ring of gold on slate, engraved with a leaf
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "stabilityai/stable-diffusion-xl-base-1.0"
    [[data]]
    folder = "data"
    ```
    ```text file data/a.txt
    zwx ring, a thin band of gold with a small stone and an engraved leaf,
    a thin band of gold with a small stone and an engraved leaf,
    a thin band of gold with a small stone and an engraved leaf,
    a thin band of gold with a small stone and an engraved leaf,
    a thin band of gold with a small stone and an engraved leaf,
    a thin band of gold with a small stone and an engraved leaf,
    a thin band of gold with a small stone and an engraved leaf
    ```
    ```files
    data/a.png
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    """
    cut = cut_off(captions)
    if not cut or not captions.usual:
        return
    entries = tuple(entry for entry, _ in cut)
    without = sum(loses_trigger(captions, entry, count) for entry, count in cut)
    worst, count = max(cut, key=lambda each: each[1].tokens)
    size = f"{count.tokens}" if count.exact else f"at least {count.tokens}"
    trigger = f"; {without} of them lose the trigger" if without else ""
    yield captions.finding(
        f"{counted(cut, captions, 'are')} longer than the {captions.limit} tokens that are read "
        f"({names(entries)}){trigger}: {short(worst.file or worst.image)} has {size} and loses "
        f"{quoted(count.lost(worst.text), 40)}",
        "put what matters first, or shorten",
        entries,
    )
