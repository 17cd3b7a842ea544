from collections.abc import Iterator

from lora_doctor.captions.facts import Captions, counted, names
from lora_doctor.captions.patterns import LINK, first
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="documented")
def check(captions: Captions) -> Iterator[Finding]:
    """Captions contain links, account names or file names.

    Why: addresses and @names come from scraped descriptions. They take a dozen tokens each and teach the model
    letters, sometimes as text in the image.
    Instead: remove them.
    Sources: bghira/SimpleTuner@bc8e6ab documentation/DATALOADER.md (`caption_filter_list`)

    ```files
    data/a.png
    data/a.txt: zwx ring on slate
    data/b.png
    data/b.txt: zwx ring, see https://example.com/ring
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
    data/b.txt: zwx ring, see-through stone
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    """
    linked = tuple(entry for entry in captions.filled if LINK.search(entry.text))
    if linked:
        yield captions.finding(
            f"{counted(linked, captions, 'contain')} an address or a name, such as "
            f"`{first(LINK, linked[0].text)}` ({names(linked)})",
            "remove it",
            linked,
        )
