"""A verdict on one symptom: present, absent, or can't tell; with its evidence, and what to do in the trainer's words.

Each reading weighs as a likelihood ratio (log10). A symptom's main signals are different ways to see the symptom
itself: where one is raised the others' silence says little, unless what it says was measured and it is evidence of
another kind; where all are clean they speak against it. Further evidence
only ever speaks for it, and of one kind (images, weights, logs...) never more than a cap, as it is
not independent. The sum, with the symptom's prior, is a probability. Without a main signal there is no verdict at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lora_doctor.symptoms.signals import Reading

PRESENT, ABSENT, UNKNOWN = "present", "absent", "can't tell"
YES, NO = 0.6, 0.12  # probabilities; the prior alone is 0.17, so that nothing is ruled out by default
CAPS = {"images": 1.0, "denoiser": 1.0, "encoders": 1.0, "weights": 0.7, "logs": 0.7, "captions": 0.7}
ONE_KIND, MORE_KINDS, CERTAIN = 0.9, 0.97, 0.99  # the most that evidence of one kind, of several, or a plain fact gives
MEASURED = ("measured in the lab", "calibrated")  # limits of which it is known what their silence says
PRIOR = -0.7  # log10 odds of a symptom before anything is known: one run in six


class Advice(NamedTuple):
    """One thing to do. key: the setting under the trainer's own name, "" where it has none; value: what to write."""

    text: str
    key: str = ""
    value: str = ""


class Verdict(NamedTuple):
    """confidence: that the state is right, 0 to 1; of what can't be told, how probable the symptom is. since: the step
    it began at. needs: what is missing to tell, or to tell more surely. main: the signals without which there is none.
    """

    state: str
    confidence: float
    message: str
    evidence: tuple[Reading, ...] = ()
    since: int | None = None
    advice: tuple[Advice, ...] = ()
    needs: tuple[str, ...] = ()
    about: tuple[str, ...] = ()
    main: tuple[str, ...] = ()

    @property
    def present(self) -> bool:
        """Whether the symptom is there."""
        return self.state == PRESENT


def probability(main: Sequence[Reading], also: Sequence[Reading] = (), prior: float = PRIOR) -> float:
    """How probable the symptom is."""
    seen = [each for each in main if each.raised]
    sums: dict[str, float] = {}
    for each in also:
        sums[each.spec.kind] = sums.get(each.spec.kind, 0.0) + max(0.0, each.weight)
    own = sum(each.weight for each in seen or main) + _against(seen, main)
    score = prior + own + sum(min(CAPS[k], v) for k, v in sums.items())
    raised = [*seen, *(each for each in also if each.raised)]
    if any(each.limit.provenance == "certain" and each.level == "alarm" for each in raised):
        return CERTAIN
    kinds = {each.spec.kind for each in raised}
    found = 1 / (1 + 10**-score)
    return min(found, MORE_KINDS if len(kinds) > 1 else ONE_KIND)


def _against(seen: Sequence[Reading], main: Sequence[Reading]) -> float:
    """What the silence of other kinds of evidence says against the signals that are raised: of each kind the most."""
    raised = {each.spec.kind for each in seen}
    silent: dict[str, float] = {}
    for each in main if seen else ():
        if each.spec.kind not in raised and each.limit.provenance in MEASURED:
            silent[each.spec.kind] = min(silent.get(each.spec.kind, 0.0), each.weight)
    return sum(silent.values())


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
