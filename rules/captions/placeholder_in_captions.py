from collections.abc import Iterator

from lora_doctor.captions.facts import Captions, names
from lora_doctor.captions.patterns import NAMED, PLACEHOLDER, first
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(captions: Captions) -> Iterator[Finding]:
    """A placeholder was left in a caption.

    Why: only ai-toolkit replaces `[trigger]` and `[name]`, by its trigger word; without one it removes them.
    Elsewhere, and with any other placeholder, the brackets and the word are trained.
    Instead: write the trigger or the text it stands for.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/prompt_utils.py line 715 (`inject_trigger_into_prompt`)

    ```files
    data/a.png
    data/a.txt: zwx ring on slate
    data/b.png
    data/b.txt: [trigger] ring on sand
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
    """
    trigger, replaces = captions.trigger, captions.plan.trainer == "ai-toolkit"
    word = trigger.word if trigger else ""
    replaced = replaces and trigger is not None and trigger.declared
    left = []
    for entry in captions.filled:
        hit = first(PLACEHOLDER, NAMED.sub("", entry.text) if replaced else entry.text)
        if hit and hit.lower() != word.lower():
            left.append((entry, hit))
    if left:
        entries = tuple(entry for entry, _ in left)
        removed = replaces and NAMED.search(entries[0].text)
        fate = "removed: no trigger word is set" if removed else "trained as it stands"
        yield captions.finding(
            f"the placeholder `{left[0][1]}` in {len(left)} of {len(captions.entries)} captions is {fate} "
            f"({names(entries)})",
            "write what it stands for",
            entries,
        )
