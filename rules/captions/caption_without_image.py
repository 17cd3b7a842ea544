import os
import re
from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

NOTES = re.compile(
    r"^(?:read.?me|licen[cs]e|notes?|prompts?|sample.*|metadata|tags?|captions?|list|index|credits|sources?|trigger.*)"
    r"\.\w+$",
    re.I,
)


@rule(level="note", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """A caption file belongs to no image.

    Why: it is a leftover of an image that was removed or renamed, or the image's name differs by a letter, and then
    the image trains without its caption.
    Instead: rename the pair, or remove the caption.
    Sources: 0xBeycan/caption-audit (orphans); https://github.com/PolinniZhong/lora-audit (W006)

    ```files
    data/a.png
    data/a.txt: zwx ring on slate
    data/b-1.txt: zwx ring on sand
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
    data/readme.txt: made in May
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    """
    for data in plan.datasets:
        listing, extension = data.listing, data.caption_extension.value
        if listing is None or data.caption_source.value != "files" or not extension or not listing.images:
            continue
        known = {os.path.splitext(name)[0] for name in (*listing.images, *listing.unread_images, *listing.others)}
        inside = {os.path.dirname(name) for name in listing.images}
        left = [
            name
            for name in listing.texts
            if name.endswith(extension)
            and os.path.dirname(name) in inside
            and os.path.splitext(name)[0] not in known
            and not NOTES.search(os.path.basename(name))
        ]
        if left:
            more = f" and {len(left) - 3} more" if len(left) > 3 else ""
            yield data.folder.finding(
                f"{len(left)} caption file{'s' * (len(left) != 1)} without an image: {', '.join(left[:3])}{more}",
                "rename or remove them",
            )
