from collections.abc import Iterator

from lora_doctor.captions.facts import Captions, counted, names
from lora_doctor.captions.patterns import DAMAGED, ESCAPED, INVISIBLE, first
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="reported")
def check(captions: Captions) -> Iterator[Finding]:
    """Captions contain damaged or invisible characters.

    Why: `â€™` for an apostrophe, the replacement character, escapes such as `&amp;` and zero-width characters come
    from a wrong encoding somewhere on the way. Each is trained as several tokens without meaning; inside the trigger
    it makes another word of it.
    Instead: replace them; `lora-doctor dataset fix` repairs what can be repaired for sure in a copy.
    Sources: ostris/ai-toolkit#792, https://github.com/ostris/ai-toolkit/issues/792; kijai/ComfyUI-FluxTrainer#14,
    https://github.com/kijai/ComfyUI-FluxTrainer/issues/14

    ```files
    data/a.png
    data/a.txt: zwx ring on slate
    data/b.png
    data/b.txt: zwx ring on the jewelerâ€™s bench
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
    data/b.txt: zwx ring on the jeweler’s bench
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    """
    kinds = (DAMAGED, INVISIBLE, ESCAPED)
    hurt = tuple(entry for entry in captions.filled if any(kind.search(entry.text) for kind in kinds))
    if hurt:
        hits = (first(kind, hurt[0].text) for kind in (DAMAGED, ESCAPED))
        hit = next((hit for hit in hits if hit), "an invisible character")
        yield captions.finding(
            f"{counted(hurt, captions, 'contain')} damaged text ({names(hurt)}): {hit}",
            "write the character that was meant",
            hurt,
        )
