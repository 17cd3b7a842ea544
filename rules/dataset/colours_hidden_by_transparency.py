from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet, many, them
from lora_doctor.dataset.thresholds import HIDDEN, TRANSPARENT
from lora_doctor.dataset.trainers import habits
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(images: ImageSet) -> Iterator[Finding]:
    """What lies under the transparency is trained.

    Why: Most trainers drop the alpha channel: the colours stored under it, which no viewer shows, appear in the
    picture. Cut-outs often have black, magenta or the old background there.
    Instead: Flatten the images onto the background you want to be learned.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py line 2955 (`convert("RGB")`),
    https://github.com/kohya-ss/sd-scripts/issues/1269 shows the damage; ostris/ai-toolkit@27a03a91
    toolkit/dataloader_mixins.py line 909

    ```dataset trainer=ai-toolkit flagged
    a.png: 300x300 photo alpha
    ```
    ```dataset trainer=ai-toolkit clean
    a.png: 300x300 photo
    ```
    """
    if habits(images.plan.trainer).background != "hidden" or images.data.get("alpha_mask").value is True:
        return
    clear = images.chosen(lambda image: (image.transparent or 0) > TRANSPARENT and (image.hidden or 0) > HIDDEN)
    if clear:
        share = max(image.transparent or 0 for image in clear)
        yield images.finding(
            [image.name for image in clear],
            f"{many(len(clear))} transparent (up to {share:.0%}), and {images.plan.trainer} trains what is below",
            f"flatten {them(clear)} onto the background you want",
        )
