from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet, enlarged, many
from lora_doctor.dataset.thresholds import ENLARGED, FAR_ENLARGED
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(images: ImageSet) -> Iterator[Finding]:
    """Images are enlarged to fill their bucket.

    Why: Enlarging adds no detail: the LoRA learns its smoothness at full resolution. ai-toolkit and lora-doctor
    make a smaller bucket instead; sd-scripts, musubi-tuner, diffusion-pipe and the diffusers scripts enlarge.
    Instead: Larger images, a lower resolution, or `bucket_no_upscale` where the trainer has it.
    Sources: the bucket arithmetic is re-told in `lora_doctor/dataset/buckets.py` from the sources named there

    ```dataset trainer=sd-scripts resolution=512 flagged
    a.png: 300x300 photo
    ```
    ```dataset trainer=sd-scripts resolution=512 clean
    a.png: 512x512 photo
    ```
    """
    for fate in images.fates[-1:]:
        small = enlarged(images, fate, ENLARGED)
        if small:
            factor = max(scale for _, scale in small)
            finding = images.finding(
                [image.name for image, _ in small],
                f"{many(len(small))} enlarged to fill a bucket of {fate.edge} px (up to {factor:.1f} times)",
                "use larger images or a lower resolution",
            )
            yield finding._replace(level=None if factor >= FAR_ENLARGED else "note")
    if images.edge is not None and not images.plan.trainer:
        yield from _smaller(images, images.edge)


def _smaller(images: ImageSet, edge: int) -> Iterator[Finding]:
    """What most trainers would enlarge, where it is not known which one it will be."""
    small = [image for image in images.images if image.width and image.edge * ENLARGED < edge]
    if small:
        least = min(small, key=lambda image: image.edge)
        sizes = f"smaller than {edge} px (down to {least.width}x{least.height})"
        finding = images.finding(
            [image.name for image in small],
            f"{many(len(small))} {sizes}, which most trainers enlarge",
            "use larger images or a lower resolution",
        )
        said = images.data.resolution.written and least.edge * FAR_ENLARGED < edge
        yield finding._replace(level=None if said else "note")
