"""Which images are held out of training: the same ones for the same images, and never a copy of one trained on.

A held-out image is worth more than one more training image: the loss on it, at fixed noise, is the one curve that turns
upward when a LoRA begins to memorise (spacepxl, github.com/spacepxl/demystifying-sd-finetuning). Two are the fewest
whose mean says anything, and two of fewer than `FEWEST` would be a third of what there is to learn from: so small a set
keeps all its images, and its overfitting is measured on shifted copies instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from lora_doctor.train.images import Picture

FEWEST = 6  # images, below which none is held out unless their number is asked for
LEAST = 2  # images held out, where any are
MOST = 64  # images held out by a share: more cost probing time and hardly narrow the mean
OFF = "`validation.held_out = 0` trains on all of them"


class Split(NamedTuple):
    """Two sides of the pictures, and the sentence that tells of it."""

    train: tuple[Picture, ...]
    held_out: tuple[Picture, ...]
    sentence: str


def split(pictures: Sequence[Picture], held_out: float) -> Split:
    """`held_out` is a share of the images below 1, else their number; regularisation images are never held out."""
    usual = [picture for picture in pictures if not picture.regularisation]
    count = len(usual)
    if held_out <= 0 or count < 2:
        why = "as asked" if held_out <= 0 else "there is only one"
        return Split(tuple(pictures), (), f"no image is held out, {why}: overfitting will not show in the loss")
    if held_out < 1 and count < FEWEST:
        sentence = f"no image is held out of only {count}: overfitting is measured on shifted copies"
        return Split(tuple(pictures), (), f"{sentence} (`validation.held_out = 1` keeps one back)")
    wanted = min(MOST, max(LEAST, round(held_out * count))) if held_out < 1 else min(int(held_out), count - 1)
    chosen = _chosen(usual, wanted)
    if not chosen:
        return Split(tuple(pictures), (), f"no image is held out: all {count} are copies of one picture")
    apart = tuple(picture for picture in pictures if picture.group in chosen and not picture.regularisation)
    train = tuple(picture for picture in pictures if picture.group not in chosen)
    sentence = f"{len(apart)} of {count} images are held out of training, to see when it overfits; {OFF}"
    return Split(train, apart, sentence)


def _chosen(pictures: Sequence[Picture], wanted: int) -> set[bytes]:
    """Groups of copies, by the hash of their least content, until as many images as wanted are together.

    A group that would take more than that is passed over: the most varied images should be trained on.
    """
    groups: dict[bytes, list[bytes]] = {}
    for picture in pictures:
        groups.setdefault(picture.group, []).append(picture.digest)
    ranked = sorted(groups, key=lambda group: hashlib.sha256(b"held out" + group).digest())
    chosen: set[bytes] = set()
    room = wanted
    for group in ranked:
        if len(groups[group]) <= room and len(chosen) < len(groups) - 1:
            chosen.add(group)
            room -= len(groups[group])
    return chosen
