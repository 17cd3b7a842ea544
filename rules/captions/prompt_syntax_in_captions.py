from collections.abc import Iterator

from lora_doctor.captions.facts import Captions, counted, names
from lora_doctor.captions.patterns import LORA_TAG, SWITCH, WEIGHT, WILDCARD, first
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(captions: Captions) -> Iterator[Finding]:
    """Captions contain syntax that only prompts of a user interface understand.

    Why: weights, `<lora:...>`, wildcards and `--ar` are taken apart by a user interface before the text encoder sees
    them. In a caption they are trained as brackets, colons and numbers around the words. sd-scripts reads weights
    with `weighted_captions` and wildcards with `enable_wildcard`; nobody else does.
    Instead: take the syntax out and keep the words.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py line 855 (wildcards only with `enable_wildcard`);
    ostris/ai-toolkit@27a03a91 toolkit/dataloader_mixins.py line 382 (no syntax but `[trigger]`)

    ```files
    data/a.png
    data/a.txt: zwx ring on slate
    data/b.png
    data/b.txt: zwx ring, (gold:1.3), <lora:detail:0.8>
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
    data/b.txt: zwx ring, gold (18k: hallmarked)
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    """
    plan, data = captions.plan, captions.data
    kohya = plan.trainer in ("sd-scripts", "kohya_ss")
    kinds = [LORA_TAG, SWITCH]
    if not (kohya and data.find("weighted_captions").value is True):
        kinds.append(WEIGHT)
    if not (kohya and data.find("enable_wildcard").value is True):
        kinds.append(WILDCARD)
    found = [(entry, hit) for entry in captions.filled for kind in kinds if (hit := first(kind, entry.text))]
    if found:
        entries = tuple(dict.fromkeys(entry for entry, _ in found))
        yield captions.finding(
            f"{counted(entries, captions, 'contain')} prompt syntax that is trained as text, such "
            f"as `{found[0][1]}` ({names(entries)})",
            "take it out",
            entries,
        )
