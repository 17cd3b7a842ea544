from collections.abc import Iterator

from lora_doctor.captions.facts import Captions, counted, names
from lora_doctor.rule import Finding, rule

# open(..., encoding="utf-8"); lora-doctor refuses the run
STRICT = ("sd-scripts", "kohya_ss", "ai-toolkit", "OneTrainer", "musubi-tuner", "lora-doctor")


@rule(level="error", evidence="source")
def check(captions: Captions) -> Iterator[Finding]:
    """A caption file is not UTF-8.

    Why: the trainers open captions as strict UTF-8. One curly quote or accent saved by a Windows editor stops the
    run, often hours in, when text embeddings are cached.
    Instead: save the file as UTF-8; `lora-doctor dataset fix` writes a copy of the folder in which it is.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py line 1958; ostris/ai-toolkit@27a03a91
    toolkit/dataloader_mixins.py line 351 and #792, https://github.com/ostris/ai-toolkit/issues/792;
    Nerogar/mgds@3a6994a LoadMultipleTexts.py; kohya-ss/musubi-tuner@30c658c dataset/datasources.py line 244

    ```files
    data/a.png
    data/a.txt: zwx ring on slate
    data/b.png
    data/b.txt @ cp1252: zwx ring in a café
    ```
    ```toml sd-scripts flagged
    [[datasets]]
    resolution = 1024
    caption_extension = ".txt"
    [[datasets.subsets]]
    image_dir = "data"
    num_repeats = 10
    ```
    ```files
    data/a.png
    data/a.txt: zwx ring on slate
    data/b.png
    data/b.txt: zwx ring in a café
    ```
    ```toml sd-scripts clean
    [[datasets]]
    resolution = 1024
    caption_extension = ".txt"
    [[datasets.subsets]]
    image_dir = "data"
    num_repeats = 10
    ```
    """
    wrong = tuple(entry for entry in captions.entries if entry.strange is not None)
    if not wrong:
        return
    trainer = captions.plan.trainer
    offset, byte = wrong[0].strange or (0, 0)
    what = "UTF-16" if wrong[0].encoding == "utf-16" else f"byte 0x{byte:02x} at {offset}"
    stops = trainer in STRICT
    fate = f"{trainer} stops there" if stops else "not every loader reads it"
    found = captions.finding(
        f"{counted(wrong, captions, 'are')} not UTF-8 ({names(wrong)}; {what}): {fate}",
        "save as UTF-8",
        wrong,
    )
    yield found if stops else found._replace(level="warning")
