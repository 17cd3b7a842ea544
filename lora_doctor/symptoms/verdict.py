"""A verdict on one symptom: present, absent, or can't tell; with its evidence, and what to do in the trainer's words.

Each reading weighs as a likelihood ratio (log10). Readings of one kind (images, weights, logs, captions, denoiser) are
capped together, as they are not independent; the sum, with the symptom's prior, is a probability. What can't be told is
said: without one of the symptom's necessary signals there is no verdict at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lora_doctor.symptoms.signals import Reading

PRESENT, ABSENT, UNKNOWN = "present", "absent", "can't tell"
YES, NO = 0.6, 0.25  # probabilities
CAPS = {"images": 2.0, "denoiser": 2.0, "weights": 0.9, "logs": 0.9, "captions": 0.9}
ONE_KIND, MORE_KINDS, CERTAIN = 0.9, 0.97, 0.99  # the most that evidence of one kind, of several, or a plain fact gives
PRIOR = -0.7  # log10 odds of a symptom before anything is known: one run in six


class Advice(NamedTuple):
    """One thing to do. key: the setting under the trainer's own name, "" where it has none; value: what to write."""

    text: str
    key: str = ""
    value: str = ""


class Verdict(NamedTuple):
    """confidence: that the state is right, 0 to 1; of what can't be told, how probable the symptom is. since: the step
    it began at. needs: what is missing to tell, or to tell more surely.
    """

    state: str
    confidence: float
    message: str
    evidence: tuple[Reading, ...] = ()
    since: int | None = None
    advice: tuple[Advice, ...] = ()
    needs: tuple[str, ...] = ()
    about: tuple[str, ...] = ()

    @property
    def present(self) -> bool:
        """Whether the symptom is there."""
        return self.state == PRESENT


def probability(readings: Sequence[Reading], prior: float = PRIOR) -> float:
    """How probable the symptom is."""
    sums: dict[str, float] = {}
    for each in readings:
        sums[each.spec.kind] = sums.get(each.spec.kind, 0.0) + each.weight
    score = prior + sum(max(-CAPS[kind], min(CAPS[kind], value)) for kind, value in sums.items())
    raised = [each for each in readings if each.raised]
    if any(each.limit.provenance == "certain" and each.level == "alarm" for each in raised):
        return CERTAIN
    kinds = {each.spec.kind for each in raised}
    found = 1 / (1 + 10**-score)
    return min(found, MORE_KINDS if len(kinds) > 1 else ONE_KIND)


def state_of(chance: float, measured: bool) -> tuple[str, float]:
    """State and confidence; without a necessary measurement nothing is absent, and nothing present either."""
    if measured and chance >= YES:
        return PRESENT, chance
    if measured and chance <= NO:
        return ABSENT, 1 - chance
    return UNKNOWN, chance


def since_of(readings: Sequence[Reading]) -> int | None:
    """When it began: by the reading that weighs most."""
    raised = [each for each in readings if each.raised and each.since is not None]
    return max(raised, key=lambda each: each.weight).since if raised else None
