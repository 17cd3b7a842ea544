"""A plan's folders become facts: one scan each, then what only the whole set can tell."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lora_doctor.dataset.arrays import need
from lora_doctor.dataset.facts import suffix
from lora_doctor.dataset.imageset import ImageSet, Masks, Pairs
from lora_doctor.dataset.listing import IMAGES, Listing
from lora_doctor.plan import Dataset, Plan

if TYPE_CHECKING:
    from lora_doctor.dataset.record import Images  # numpy is not there for everyone

EXAMINED = IMAGES - {".heic", ".heif", ".jxl"}  # Pillow and OpenCV don't read these
Told = Callable[[str, int, int], None]  # a folder, images done, images in all


def exam(
    plan: Plan,
    *,
    workers: int | None = None,
    tell: Told | None = None,
    cache: Path | None = None,
    apart: bool = False,
) -> list[ImageSet]:
    """One ImageSet for each folder of the plan that is here and holds images; `apart` as in `scan`.

    Raises:
        SourceError: the packages it needs are not installed.
    """
    listed = [data for data in plan.datasets if data.listing is not None and pictures(data.listing)]
    if not listed:
        return []
    need()
    from lora_doctor.dataset.cache import Cache

    store = Cache(cache)
    try:
        return [_examined(plan, data, _Scanner(store, workers, tell, apart)) for data in listed]
    finally:
        store.close()


def pictures(listing: Listing) -> list[str]:
    """The files that can be examined: no videos, and no formats that only some trainers' plugins read."""
    return [name for name in listing.images if suffix(name) in EXAMINED]


class _Scanner:
    """Scans listings; what several of them need is at hand."""

    def __init__(self, store: object, workers: int | None, tell: Told | None, apart: bool) -> None:
        self.store, self.workers, self.tell, self.apart = store, workers, tell, apart

    def __call__(self, listing: Listing) -> Images:
        from lora_doctor.dataset.scan import scan

        name = os.path.basename(os.path.abspath(listing.folder))
        tell = self.tell
        telling = (lambda done, whole: tell(name, done, whole)) if tell is not None else None
        return scan(
            listing.folder,
            pictures(listing),
            self.store,  # type: ignore[arg-type]
            workers=self.workers,
            tell=telling,
            apart=self.apart,
        )


def _examined(plan: Plan, data: Dataset, scanned: _Scanner) -> ImageSet:
    from lora_doctor.dataset import buckets
    from lora_doctor.dataset.together import together

    assert data.listing is not None, "only folders that were listed are examined"
    images = scanned(data.listing)
    edges = data.resolution.value
    whole = together(images, scanned.store, apart=scanned.apart)  # type: ignore[arg-type]
    return ImageSet(
        plan,
        data,
        images,
        edge=max(edges) if isinstance(edges, list) and edges else None,
        copies=whole.copies,
        atypical=whole.atypical,
        variety=whole.variety,
        overlay=whole.overlay,
        fates=buckets.fates(plan, data, images),
        masks=_masks(data, images, scanned),
        pairs=_pairs(plan, data, images, scanned),
    )


def _masks(data: Dataset, images: Images, scanned: _Scanner) -> Masks | None:
    if data.mask_listing is None:
        return None
    from lora_doctor.dataset import beside

    return beside.masks(images, scanned(data.mask_listing))


def _pairs(plan: Plan, data: Dataset, images: Images, scanned: _Scanner) -> Pairs | None:
    if data.listing is None or not data.control_listings:
        return None
    from lora_doctor.dataset import beside

    numbered, folder = plan.trainer in beside.NUMBERED, data.listing.folder
    found = [
        beside.pairs(folder, images, each.folder, scanned(each), numbered=numbered) for each in data.control_listings
    ]
    return beside.together(found)
