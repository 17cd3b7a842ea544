"""Looking at pictures: what each attribute is, how sure that is, where the subject stands, how many legs it has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import torch

from ..world.render import Picture
from ..world.vocabulary import ATTRIBUTES
from .legs import LEGS as LEGS
from .legs import count_legs
from .place import Place, Soft, place
from .weights import Judge, judge

SURE: Final = 0.6  # confidence below which the answer is "unsure"
AT_ONCE: Final = 64


class Answer(NamedTuple):
    """The likeliest word for an attribute, and its calibrated probability."""

    likeliest: str
    confidence: float

    @property
    def word(self) -> str | None:
        """The word, or None: unsure."""
        return self.likeliest if self.confidence >= SURE else None


class Seen(NamedTuple):
    """One picture: `answers` by attribute, `shares` of every subject and style, `mask` [64, 64]; all from 0 to 1."""

    answers: dict[str, Answer]
    shares: dict[str, dict[str, float]]
    mask: Soft
    picture: Picture

    def place(self, subject: str) -> Place:
        """Position and size by geometry, if it is this subject."""
        return place(self.mask, subject)

    def legs(self, creature: str) -> int | None:
        """Legs counted, if it is this creature; None where that is unsure."""
        return count_legs([self.picture], creature)[0]


@torch.no_grad()
def look(pictures: Sequence[Picture], by: Judge | None = None) -> list[Seen]:
    """What pictures, uint8 [64, 64, 3], show; by the shipped judge if no other is given."""
    by = by or judge()
    seen: list[Seen] = []
    for start in range(0, len(pictures), AT_ONCE):
        pixels = torch.from_numpy(np.stack(pictures[start : start + AT_ONCE])).permute(0, 3, 1, 2).float() / 127.5 - 1
        said = by.network(pixels)
        heads = [(logits / t).softmax(1).numpy() for logits, t in zip(said.logits, by.temperatures, strict=True)]
        masks = said.mask.sigmoid().numpy()
        seen += [_seen([h[row] for h in heads], masks[row], pictures[start + row]) for row in range(len(pixels))]
    return seen


def _seen(heads: Sequence[Soft], mask: Soft, picture: Picture) -> Seen:
    answers, shares = {}, {}
    for (name, words), head in zip(ATTRIBUTES.items(), heads, strict=True):
        best = int(head.argmax())
        answers[name] = Answer(words[best], float(head[best]))
        if name in ("subject", "style"):
            shares[name] = dict(zip(words, head.tolist(), strict=True))
    return Seen(answers, shares, mask, picture)
