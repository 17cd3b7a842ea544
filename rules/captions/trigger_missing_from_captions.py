from collections.abc import Iterator

from lora_doctor.captions.facts import Captions, names
from lora_doctor.captions.triggers import has, variants
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="reported")
def check(captions: Captions) -> Iterator[Finding]:
    """The trigger is missing from some captions.

    Why: an image trained without the trigger teaches what it shows to the prompt without it: the LoRA leaks there,
    and the trigger is the weaker. ai-toolkit, SimpleTuner with an instance prompt and lora-doctor add it by
    themselves and are not meant.
    Instead: put it into every caption.
    Sources: 0xBeycan/caption-audit (trigger coverage); cocktailpeanut/fluxgym#327,
    https://github.com/cocktailpeanut/fluxgym/issues/327

    ```files
    data/a.png
    data/a.txt: zwx ring on slate
    data/b.png
    data/b.txt: zwx ring on sand
    data/c.png
    data/c.txt: zwx ring on moss
    data/d.png
    data/d.txt: a ring on velvet
    ```
    ```toml diffusion-pipe flagged
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "data"
    ```
    ```files
    data/a.png
    data/a.txt: zwx ring on slate
    data/b.png
    data/b.txt: zwx ring on sand
    data/c.png
    data/c.txt: zwx ring on moss
    data/d.png
    data/d.txt: zwx ring on velvet
    ```
    ```toml diffusion-pipe clean
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "data"
    ```
    ```files
    data/a.png
    data/a.txt: zwx ring on slate
    data/b.png
    data/b.txt: zwx ring on sand
    data/c.png
    data/c.txt: zwx ring on moss
    data/d.png
    data/d.txt: a ring on velvet
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [captions]
    trigger = "zwx"
    [[data]]
    folder = "data"
    ```
    """
    trigger = captions.trigger
    if trigger is None or trigger.added or not captions.usual:
        return
    other = {spelling for spelling, _ in variants(captions.texts, trigger.word)}
    without = tuple(
        entry
        for entry in captions.filled
        if not has(entry.text, trigger.word) and not any(spelling in entry.text for spelling in other)
    )
    count = len(captions.filled) - len(without)
    if without and count:
        yield captions.finding(
            f"the trigger `{trigger.word}` stands in {count} of {len(captions.filled)} captions, but not in "
            f"{names(without)}",
            "put it into every caption",
            without,
        )
