"""What the page shows of each folder, put together from what was measured and what was found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lora_doctor.captions.facts import Captions
from lora_doctor.dataset.imageset import ImageSet, as_read
from lora_doctor.dataset.thumbnails import pictures
from lora_doctor.dataset.trainers import habits
from lora_doctor.report.page import Page, Shown
from lora_doctor.result import Found

MOST = 400  # pictures on a page: about 5 MB


def page_of(title: str, facts: Sequence[Any], found: Sequence[Found]) -> Page:
    """The page on these folders."""
    sets = [fact for fact in facts if isinstance(fact, ImageSet)]
    texts = [fact for fact in facts if isinstance(fact, Captions)]
    shown: list[Shown] = []
    taken: set[int] = set()
    for images in sets:
        captions = next((each for each in texts if each.data is images.data), None)
        own = tuple(each for each in found if _about(each, images) and id(each) not in taken)
        taken |= {id(each) for each in own}
        names = _wanted(images, own)[: MOST // len(sets)]
        turned = habits(images.plan.trainer).turns is not False
        made = pictures(images.data.listing.folder, names, turned=turned) if images.data.listing is not None else {}
        shown.append(Shown(images, captions, own, made))
    rest = tuple(each for each in found if id(each) not in taken)
    return Page(title, tuple(shown), rest, tuple(_unmeasured(sets, texts)))


def _about(each: Found, images: ImageSet) -> bool:
    """Whether a finding stands at the setting that names this folder."""
    place = images.data.folder.place
    return place is not None and each.finding.place.document is place.document and each.finding.place.span == place.span


def _wanted(images: ImageSet, found: Sequence[Found]) -> list[str]:
    """Images whose pictures are needed, the ones that are spoken of first, then the most cropped, then the rest."""
    order = ("error", "warning", "note")
    spoken = [name for each in sorted(found, key=lambda f: order.index(f.level)) for name in each.finding.about]
    copied = [name for group in images.copies for name in group.names]
    names = [image.name for image in images.images]
    known = set(names)
    return [name for name in dict.fromkeys([*copied, *spoken, *_cropped(images), *names]) if name in known]


def _cropped(images: ImageSet) -> Iterable[str]:
    lost = [
        (place.lost, image.name)
        for fate in images.fates
        for image in images.images
        if (place := as_read(images, image, fate)) is not None
    ]
    return [name for share, name in sorted(lost, reverse=True) if share > 0.01][:60]


def _unmeasured(sets: Sequence[ImageSet], texts: Sequence[Captions]) -> Iterable[str]:
    if any(not images.fates for images in sets):
        yield "buckets and crops, because no trainer was named whose way with them is known (--trainer or --config)"
    if not texts:
        yield "captions, because none were found"
    elif all(each.limit is None for each in texts):
        yield "whether captions are too long, because the model is not named (--model or --config)"
    if any(images.variety is None for images in sets):
        yield "variety, which needs eight images"
