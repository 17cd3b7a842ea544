"""Masks and control images: what lies beside the images, matched by stem as trainers do."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lora_doctor.dataset.imageset import Masks, Pairs, Shift
from lora_doctor.dataset.record import Images

LOOKED_AT = 200  # pairs whose pixels are compared; of more an even sample
SHAPE = 0.02  # relative difference of aspect ratios
_WORD = r"(^|[\W_\d])({})([\W_\d]|$)"
BEFORE = re.compile(_WORD.format("before|inputs?|source|src|control|condition|conditioning|original|origs?"), re.I)
AFTER = re.compile(_WORD.format("after|outputs?|targets?|edited|results?|gt"), re.I)


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]


def masks(images: Images, found: Images) -> Masks:
    """Of masks that lie in their own folder."""
    by_stem = {_stem(name): i for i, name in enumerate(found.names)}
    sizes = images.records["width"], images.records["height"]
    stems = {_stem(name) for name in images.names}
    lists: dict[str, list[str]] = {key: [] for key in Masks._fields[1:]}
    for place, name in enumerate(images.names):
        own = by_stem.get(_stem(name))
        if own is None:
            lists["without"].append(name)
            continue
        mask = found[own]
        if mask.error:
            lists["unreadable"].append(name)
            continue
        if sizes[0][place] and (mask.width, mask.height) != (sizes[0][place], sizes[1][place]):
            lists["of_other_size"].append(name)
        if mask.white is not None and mask.white < 16:
            lists["empty"].append(name)
        elif not mask.between and mask.black is not None and mask.black >= 240:
            lists["full"].append(name)
        elif mask.between is not None and mask.between > 0.02:
            lists["grey"].append(name)
    lists["orphans"] = [name for name in found.names if _stem(name) not in stems]
    return Masks(len(found), **{key: tuple(names) for key, names in lists.items()})


NUMBERED = ("lora-doctor", "musubi-tuner")  # trainers that take `a_0.png`, `a_1.png` for `a.png`
_NUMBERED = re.compile(r"(.+)_(\d+)")


def partners(names: Sequence[str], numbered: bool = True) -> Callable[[str], list[str]]:
    """Control images by the name of their target: `a.png`, or with `numbered` `a_0.png`, `a_1.png`... in that order.

    Folders below count as part of the name; where the control folder has none, they don't.
    """
    exact: dict[str, str] = {}
    several: dict[str, list[tuple[int, str]]] = {}
    for name in names:
        stem = _stem(name)
        exact.setdefault(stem, name)
        if numbered and (found := _NUMBERED.fullmatch(stem)):
            several.setdefault(found[1], []).append((int(found[2]), name))

    def of(name: str) -> list[str]:
        stem = _stem(name)
        for each in dict.fromkeys((stem, os.path.basename(stem))):
            if each in exact:
                return [exact[each]]
            if each in several:
                return [name for _, name in sorted(several[each])]
        return []

    return of


def together(found: Sequence[Pairs]) -> Pairs | None:
    """Of several control folders: what is wrong with any of them."""
    if len(found) < 2:
        return found[0] if found else None
    joined = {key: tuple(dict.fromkeys(name for each in found for name in getattr(each, key))) for key in _NAMES}
    swapped = next((each.swapped for each in found if each.swapped), "")
    return Pairs(min(each.matched for each in found), **joined, swapped=swapped)


_NAMES = ("without", "orphans", "of_other_size", "of_other_shape", "identical", "shifted")


def pairs(folder: Path, images: Images, control: Path, found: Images, *, numbered: bool = False) -> Pairs:
    """Of the targets and the control images in another folder; of several for one target, the first is looked at."""
    places = {name: i for i, name in enumerate(found.names)}
    of = partners(found.names, numbered)
    own_names = [of(name) for name in images.names]
    matched = [(place, places[names[0]]) for place, names in enumerate(own_names) if names]
    used = {name for names in own_names for name in names}
    one, other = images.records, found.records
    size, shape, same = [], [], []
    for place, own in matched:
        if one["error"][place] or other["error"][own]:
            continue
        name = images.names[place]
        width, height = int(one["width"][place]), int(one["height"][place])
        wide, high = int(other["width"][own]), int(other["height"][own])
        if abs(width / height * high / wide - 1) > SHAPE:
            shape.append(name)
        elif (width, height) != (wide, high):
            size.append(name)
        elif one["pixels"][place] == other["pixels"][own]:
            same.append(name)
    apart = set(shape) | set(same)
    close = [(place, own) for place, own in matched if images.names[place] not in apart]
    return Pairs(
        len(matched),
        tuple(name for name, names in zip(images.names, own_names) if not names),
        tuple(name for name in found.names if name not in used),
        tuple(size),
        tuple(shape),
        tuple(same),
        tuple(_shifts(folder, images, control, found, close)),
        _swapped(folder, control),
    )


def _swapped(folder: Path, control: Path) -> str:
    if BEFORE.search(folder.name) and AFTER.search(control.name):
        return f"the images trained on lie in `{folder.name}`, the control images in `{control.name}`"
    return ""


def _shifts(
    folder: Path, images: Images, control: Path, found: Images, matched: list[tuple[int, int]]
) -> Iterator[Shift]:
    if not matched:
        return
    from lora_doctor.dataset.shifted import offset  # with OpenCV

    step = max(1, len(matched) // LOOKED_AT)
    for place, own in matched[::step]:
        name = images.names[place]
        found_shift = offset(folder / name, control / found.names[own], images[place].width)
        if found_shift is not None:
            yield Shift(name, *found_shift)
