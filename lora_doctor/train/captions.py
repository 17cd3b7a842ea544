"""Captions as they are trained: with the trigger, shuffled, and now and then left out.

What a showing's caption is follows from (seed, item, epoch, turn) alone. Of shuffled tags there are a few fixed orders
per caption, not a new one each time, so that every caption of a run can be encoded before it and cached.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

import numpy as np

from lora_doctor.captions.triggers import has
from lora_doctor.train.job import Captions
from lora_doctor.train.sampler import Shown, noise, uniform

ORDERS = 8  # of a caption's tags: enough that no order is learned, few enough to be cached
DROPPED, CHOSEN, SHUFFLED = 1 << 40, 1 << 41, 1 << 42  # what a random number is for


def with_trigger(text: str, trigger: str | None) -> str:
    """The caption with the trigger in front, where it does not hold it yet (in any case)."""
    if not trigger or has(text, trigger):
        return text
    return f"{trigger}, {text}" if text else trigger


def variants(text: str, captions: Captions, seed: int, *, trigger: bool = True) -> tuple[str, ...]:
    """What is trained of a caption: with the trigger, in a few orders of its tags where they are shuffled.

    The first order is the file's. `trigger` is False for regularisation images: they show the class alone.
    """
    word = captions.trigger if trigger else None
    whole = with_trigger(text, word)
    tags = [tag.strip() for tag in whole.split(",") if tag.strip()]
    added = whole != text
    leads = word is not None and bool(tags) and has(tags[0], word)
    kept = max(captions.keep_tags + added, 1 if leads else 0)
    if not captions.shuffle_tags or len(tags) - kept < 2:
        return (whole,)
    rest, places = tags[kept:], np.arange(len(tags) - kept)
    own = zlib.crc32(whole.encode())
    shuffled = (noise(seed, SHUFFLED + nth, own, places).argsort(kind="stable") for nth in range(1, ORDERS))
    return tuple(dict.fromkeys(", ".join(tags[:kept] + [rest[i] for i in order]) for order in (places, *shuffled)))


def shown_caption(variants: tuple[str, ...], shown: Shown, dropout: float, seed: int) -> str:
    """The caption of one showing; empty where it is dropped."""
    place = shown.item, shown.epoch, shown.turn
    if dropout > 0 and float(uniform(seed, DROPPED, *place)) < dropout:
        return ""
    if len(variants) == 1:
        return variants[0]
    return variants[int(noise(seed, CHOSEN, *place)) % len(variants)]


def control_dropped(shown: Shown, dropout: float, control_dropout: float, seed: int) -> bool:
    """Whether a showing's control images are left out.

    Drawn with the caption's own number: of two equal shares, half of either fall together. Neither, one, the other and
    both come up as InstructPix2Pix was trained (arXiv:2211.09800, section 3.2.1).
    """
    number = float(uniform(seed, DROPPED, shown.item, shown.epoch, shown.turn))
    return dropout / 2 <= number < dropout / 2 + control_dropout


def every_caption(all_variants: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Each caption that can come up, once, and the empty one."""
    yield from dict.fromkeys(["", *(text for each in all_variants for text in each)])
