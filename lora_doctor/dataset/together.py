"""What only the whole set can tell; a set whose files have not changed is not compared again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lora_doctor.dataset.arrays import Array
from lora_doctor.dataset.cache import Cache
from lora_doctor.dataset.imageset import Atypical, Copies, Overlay, Variety
from lora_doctor.dataset.record import Images
from lora_doctor.dataset.variety import atypical, variety
from lora_doctor.dataset.workers import spread


class Whole(NamedTuple):
    """Parts of ImageSet."""

    copies: tuple[Copies, ...]
    atypical: tuple[Atypical, ...]
    variety: Variety | None
    overlay: Overlay | None


def together(images: Images, cache: Cache, *, apart: bool = False) -> Whole:
    """From the cache, or anew; `apart`: in another process, so that OpenCV takes none of this one's memory."""
    digest = hashlib.sha256(images.records.tobytes())
    digest.update("\0".join(images.names).encode("utf-8", "surrogateescape"))
    kept = cache.of_set(digest.digest())
    if kept is not None:
        return _read(kept)
    if apart and cache.path.exists():
        (whole,) = spread(_compared, [[(images.names, images.records, str(cache.path))]], 1)
    else:
        whole = _whole(images, cache)
    cache.keep_set(digest.digest(), json.dumps(whole))
    return whole


def _compared(tasks: list[tuple[Sequence[str], Array, str]]) -> list[Whole]:
    """For a worker: sets of files whose features lie in a cache."""
    found = []
    for names, records, path in tasks:
        cache = Cache(Path(path))
        found.append(_whole(Images(names, records), cache))
        cache.close()
    return found


def _whole(images: Images, cache: Cache) -> Whole:
    from lora_doctor.dataset.copies import find_copies
    from lora_doctor.dataset.overlay import find_overlay  # OpenCV takes longer to import than an unchanged set to read

    groups = find_copies(images, cache)
    return Whole(
        tuple(Copies(tuple(images.names[i] for i in g.members), g.how) for g in groups),
        atypical(images),
        variety(images),
        find_overlay(images, [place for group in groups for place in group.members[1:]], cache),
    )


def _read(text: str) -> Whole:
    groups, odd, figure, mark = json.loads(text)
    return Whole(
        tuple(Copies(tuple(names), how) for names, how in groups),
        tuple(Atypical(*each) for each in odd),
        Variety(*figure) if figure else None,
        Overlay(tuple(mark[0]), mark[1], (mark[2][0], mark[2][1], mark[2][2], mark[2][3])) if mark else None,
    )
