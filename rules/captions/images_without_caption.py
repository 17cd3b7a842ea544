from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

SKIPPED = ("diffusion-pipe", "musubi-tuner")  # these leave the image out; the others train it with an empty prompt


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Some images have no caption file.

    Why: ai-toolkit, sd-scripts and OneTrainer train such an image with an empty prompt or the folder's name, which ties
    it to nothing; diffusion-pipe and musubi-tuner leave it out. Neither stops.
    Instead: caption them, or move them away.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/dataloader_mixins.py (`load_caption`); tdrussell/diffusion-pipe@8f83dbf
    utils/dataset.py lines 484 and 755; kohya-ss/musubi-tuner@30c658c dataset/image_video_dataset.py

    ```files
    data/a.png
    data/a.txt: zwx, a ring on slate
    data/b.png
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
    data/a.txt: zwx, a ring on slate
    data/b.png
    data/b.txt: zwx, a ring on sand
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    """
    if plan.trainer == "SimpleTuner":
        return  # it stops at the first one missing: `caption-file-missing`
    for data in plan.datasets:
        listing, extension = data.listing, data.caption_extension.value
        if listing is None or data.caption_source.value not in ("files", "folder") or not extension:
            continue
        captioned = set(listing.captioned(extension))
        missing = [name for name in listing.images if name not in captioned]
        if not captioned or not missing or data.regularisation.value:
            continue
        fate = "left out" if plan.trainer in SKIPPED else "trained with an empty or default caption"
        names = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        one = len(missing) == 1
        yield data.folder.finding(
            f"{len(missing)} of {len(listing.images)} images {'has' if one else 'have'} no `{extension}` caption and "
            f"{'is' if one else 'are'} {fate}: {names}",
            "caption it or move it away" if one else "caption them or move them away",
        )._replace(about=tuple(missing))
