from collections.abc import Iterator

from lora_doctor.dataset.imageset import NAMED, ImageSet, many, them
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reproduced")
def check(images: ImageSet) -> Iterator[Finding]:
    """Images that can't be opened.

    Why: A download cut short, a web page saved as .png or a Git LFS pointer stops sd-scripts, or is passed over
    with a line in the log by ai-toolkit and diffusion-pipe: hours later, or never noticed.
    Instead: Fetch them again, or move them away.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py (`load_image` raises); ostris/ai-toolkit@27a03a91
    toolkit/data_loader.py; tdrussell/diffusion-pipe@8f83dbf utils/dataset.py line 804

    ```dataset flagged
    a.jpg: 64x64 photo cut=0.5
    b.png: <!DOCTYPE html>
    c.png: 64x64 photo
    ```
    ```dataset clean
    a.jpg: 64x64 photo
    c.png: 64x64 photo
    ```
    """
    broken = [image for image in images.images if image.broken]
    if broken:
        reasons = "; ".join(dict.fromkeys(image.error for image in broken[:NAMED]))
        yield images.finding(
            [image.name for image in broken],
            f"{many(len(broken), 'file')} no image that can be opened ({reasons})",
            f"fetch {them(broken)} again or move {them(broken)} away",
        )
