"""How samples look over the run: colour, contrast, detail, grids, variety, against step 0 and the training images.

Nothing is judged by itself: a black-and-white style has no colour because its training images have none, so a number
counts only where it is off against both references. Where the samples of one step are few, so is the weight.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from lora_doctor.dataset.arrays import Array
from lora_doctor.runs.facts import Sample
from lora_doctor.symptoms.signals import Signal

FEWEST = 2  # samples of a step that are compared with one another
KNEE = 3.0  # standard deviations of the base's pictures above strength 1 at which a strength is too high
HIGH = 1.5  # strength up to which a sweep without artefacts says that there are none
EARLY = 0.1  # of the run: the first samples stand in for step 0 up to here
SPREAD = {"chroma": 4.0, "contrast": 4.0, "detail": 0.12}  # smallest spreads that differences are measured in


class Looked(NamedTuple):
    """Samples with their measurements: `pixels` and `formats` in the order of `samples`."""

    samples: Sequence[Sample]
    pixels: Array
    checks: Sequence[tuple[int, bytes]]  # checksum and fingerprint of the decoded pixels
    formats: Sequence[str]


class Reference(NamedTuple):
    """What the samples are compared with: its pixels, and its name."""

    pixels: Array
    name: str


Places = dict[int, list[int]]


def looks(looked: Looked, training: Array | None) -> tuple[Signal, ...]:
    """Every signal that these samples can give. training: pixels of the training images, None where unknown."""
    places = _by_step(looked)
    if not places:
        return ()
    first = _first(places)
    base = Reference(looked.pixels[places[first]], _named(first)) if first is not None else None
    meant = Reference(training[training["ok"] > 0], "training images") if training is not None else None
    if meant is not None and len(meant.pixels) < FEWEST:
        meant = None
    found: list[Signal | None] = []
    references = [each for each in (base, meant) if each is not None]
    if references:
        later = {step: where for step, where in places.items() if step != first}
        found += [_off(looked, later, references, name, value) for name, value in _VALUES.items()]
        found.append(_clipped(looked, later, references))
        found.append(_grid(looked, later, base))
        found.append(_palette(looked, later, references))
    if first is not None:
        found += _against_first(looked, places, first)
        found.append(_knee(looked, places[first]))
    found.append(_turned_up(looked))
    found.append(_frozen(looked, places))
    found.append(_blank(looked, places))
    return tuple(signal for signal in found if signal is not None and signal.at)


def _by_step(looked: Looked) -> Places:
    places: Places = defaultdict(list)
    for place, sample in enumerate(looked.samples):
        if sample.step is not None and looked.pixels["ok"][place] and sample.strength == 1.0:
            places[sample.step].append(place)
    return dict(sorted(places.items()))


def _first(places: Places) -> int | None:
    """The step that stands for the base model: 0, or one near the beginning."""
    steps = list(places)
    return steps[0] if len(steps) > 1 and steps[0] <= EARLY * steps[-1] else None


def _named(step: int) -> str:
    return "step 0" if step == 0 else f"step {step:,}, the earliest"


_VALUES: dict[str, Callable[[Array], Array]] = {
    "oversaturation": lambda pixels: pixels["chroma"],
    "contrast": lambda pixels: pixels["light"][:, 1],
    "high_frequency": lambda pixels: pixels["detail"],
}
_FLOORS = {"oversaturation": "chroma", "contrast": "contrast", "high_frequency": "detail"}


def _off(
    looked: Looked, places: Places, references: Sequence[Reference], name: str, value: Callable[[Array], Array]
) -> Signal | None:
    """By how many robust standard deviations the median of a step lies above the nearer reference."""
    nearer = max(references, key=lambda each: float(np.median(value(each.pixels))))
    steps = tuple(places)
    values = tuple(_beyond(looked.pixels[places[step]], nearer.pixels, name) for step in steps)
    return Signal(name, steps, values, _counts(places), 0.0, nearer.name)


def _counts(places: Places) -> tuple[int, ...]:
    return tuple(len(where) for where in places.values())


def _clipped(looked: Looked, places: Places, references: Sequence[Reference]) -> Signal:
    """Mean share of burnt-out and black pixels, beyond twice that of the references: 0 and less is nothing."""
    base = max(float(each.pixels["clipped"].mean()) for each in references)
    values = tuple(float(looked.pixels["clipped"][where].mean()) - 2 * base for where in places.values())
    against = f"twice the {base:.1%} of " + " and ".join(each.name for each in references)
    return Signal("clipped", tuple(places), values, _counts(places), 0.0, against)


def _grid(looked: Looked, places: Places, base: Reference | None) -> Signal | None:
    """Share of samples in which a period of 16 or 32 pixels stands out (8 too, where no file is a JPEG)."""
    periods = slice(1 if "jpeg" in looked.formats else 0, None)
    usual = float(np.median(base.pixels["grid"][:, periods].max(1))) if base is not None else 0.0
    beyond = looked.pixels["grid"][:, periods].max(1) - max(usual, 0.0)
    values = tuple(float(np.median(beyond[where])) for where in places.values())
    names = [looked.samples[i].path.name for where in places.values() for i in where if beyond[i] > 2]
    return Signal("grid", tuple(places), values, _counts(places), usual, base.name if base else "no grid", tuple(names))


def _knee(looked: Looked, base: Sequence[int]) -> Signal | None:
    """The highest strength of the last sweep at which neither detail nor colour stands out.

    Each picture is held against the one of the same prompt and seed at strength 1, in spreads of the base's pictures: a
    style that is finer or more colourful than the base model is no artefact. A sweep that ends below `HIGH` without any
    says nothing of what lies above.
    """
    last = max((s.step for s in looked.samples if s.step is not None and s.strength > 1), default=None)
    swept = _strengths_at(looked, last)
    knee, count = 1.0, 0
    for strength in sorted(each for each in swept if each > 1):
        pairs = _paired(looked, swept.get(1.0, ()), swept[strength])
        if not pairs:
            continue
        count += len(pairs)
        if any(_apart(looked.pixels, pairs, base, name) > KNEE for name in ("oversaturation", "high_frequency")):
            break
        knee = strength
    else:
        if knee < HIGH:
            return None
    assert last is not None, "there are strengths above 1"
    return Signal("strength_knee", (last,), (knee,), (count,), max(swept), "the highest sampled")


def _turned_up(looked: Looked) -> Signal | None:
    """Change of a prompt's picture from strength 1 to the one next to `HIGH`, at every step that was swept.

    In the lab's runs a LoRA whose prompts are still obeyed at 1.5 changes a picture by 0.1 at most.
    """
    rows = []
    for step in sorted({each.step for each in looked.samples if each.step is not None and each.strength > 1}):
        swept = _strengths_at(looked, step)
        strength = min((each for each in swept if each > 1), key=lambda each: abs(each - HIGH), default=None)
        if strength is None or abs(strength - HIGH) > 0.25:
            continue
        pairs = _paired(looked, swept.get(1.0, ()), swept[strength])
        if len(pairs) >= FEWEST:
            before, after = (thumbs(looked.pixels[[pair[side] for pair in pairs]]) for side in (0, 1))
            rows.append((step, float(np.median(1 - (before * after).sum(1))), len(pairs)))
    steps, values, counts = (tuple(each) for each in zip(*rows)) if rows else ((), (), ())
    return Signal("turned_up", steps, values, counts, 0.0, "strength 1")


def _paired(looked: Looked, ones: Sequence[int], others: Sequence[int]) -> list[tuple[int, int]]:
    """Samples of one prompt and seed in both."""
    known = _slots(looked, ones)
    return [(known[slot], place) for slot, place in _slots(looked, others).items() if slot in known]


def _strengths_at(looked: Looked, step: int | None) -> dict[float, list[int]]:
    """Samples of one step by strength, from 1 on."""
    swept: dict[float, list[int]] = defaultdict(list)
    for place, sample in enumerate(looked.samples):
        if sample.step == step and sample.strength >= 1 and looked.pixels["ok"][place]:
            swept[sample.strength].append(place)
    return swept


def _apart(pixels: Array, pairs: Sequence[tuple[int, int]], base: Sequence[int], name: str) -> float:
    """By how many robust standard deviations of the base's pictures the second of each pair lies above the first."""
    value = _VALUES[name]
    rise = value(pixels[[after for _, after in pairs]]) - value(pixels[[before for before, _ in pairs]])
    return float(np.median(rise)) / _spread(value(pixels[list(base)]), name)


def _beyond(pixels: Array, reference: Array, name: str) -> float:
    """By how many robust standard deviations a median lies above the reference's."""
    measured = _VALUES[name](reference)
    return (float(np.median(_VALUES[name](pixels))) - float(np.median(measured))) / _spread(measured, name)


def _spread(measured: Array, name: str) -> float:
    """Robust standard deviation, at least the smallest that differences are measured in."""
    return max(1.4826 * float(np.median(np.abs(measured - np.median(measured)))), SPREAD[_FLOORS[name]])


def _palette(looked: Looked, places: Places, references: Sequence[Reference]) -> Signal | None:
    """Spread of the samples' mean colours by that of the reference with less."""
    usual = min(references, key=lambda each: _colours(each.pixels))
    spread = _colours(usual.pixels)
    if spread < 4.0 or any(len(where) < FEWEST for where in places.values()):  # no colours that could be lost
        return None
    values = tuple(_colours(looked.pixels[where]) / spread for where in places.values())
    return Signal("palette", tuple(places), values, _counts(places), 1.0, usual.name)


def _colours(pixels: Array) -> float:
    """Trace of the covariance of mean colours (Lab)."""
    means = np.concatenate([pixels["light"][:, :1], pixels["tint"]], 1)
    return float(means.var(0, ddof=1).sum()) if len(means) > 1 else 0.0


def thumbs(pixels: Array) -> Array:
    """16 x 16 Lab views with their means taken out, as vectors of length 1."""
    import cv2

    from lora_doctor.symptoms.likeness import view_of

    found = np.stack([cv2.resize(view_of(each), (16, 16), interpolation=cv2.INTER_AREA) for each in pixels])
    flat = found.astype(np.float32)
    flat -= flat.mean((1, 2), keepdims=True)
    flat = flat.reshape(len(flat), -1)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)


def vendi(vectors: Array) -> float:
    """Vendi score (Friedman and Dieng 2023): 1 for copies of one picture, n for n pictures without likeness."""
    values = np.linalg.eigvalsh((vectors @ vectors.T).astype(np.float64) / len(vectors))
    values = values[values > 1e-12]
    return float(np.exp(-(values * np.log(values)).sum()))


def _slots(looked: Looked, where: Sequence[int]) -> dict[tuple[str, int | None], int]:
    """Samples of one step by prompt and seed."""
    found: dict[tuple[str, int | None], int] = {}
    for place in where:
        sample = looked.samples[place]
        found.setdefault((sample.slot or sample.prompt, sample.seed), place)
    return found


def _against_first(looked: Looked, places: Places, first: int) -> list[Signal | None]:
    """Variety and change against the same prompts at the first step."""
    vectors = np.zeros((len(looked.samples), 768), np.float32)
    every = [place for where in places.values() for place in where]
    vectors[every] = thumbs(looked.pixels[every])
    before = _slots(looked, places[first])
    rows: dict[str, list[tuple[int, float, int]]] = defaultdict(list)
    for step, where in places.items():
        if step == first:
            continue
        now = _slots(looked, where)
        shared = [key for key in before if key in now]
        pairs = [(before[key], now[key]) for key in shared] or _by_prompt(before, now)
        old, new = (vectors[[pair[side] for pair in pairs]] for side in (0, 1))
        if len(pairs) >= 3:
            rows["diversity"].append((step, (vendi(new) - 1) / max(vendi(old) - 1, 0.1), len(pairs)))
            rows["sameness"].append((step, _sameness(new) - _sameness(old), len(pairs)))
        if not shared:
            continue
        moved = 1 - (old * new).sum(1)
        rows["response"].append((step, float(np.median(moved)), len(shared)))
        unseen = [i for i, key in enumerate(shared) if looked.samples[before[key]].kind != "training"]
        rows["moved"].append((step, float(np.median(moved[unseen or slice(None)])), len(unseen) or len(shared)))
        rows["leak"] += _leak(looked, step, shared, before, moved)
    against = {"diversity": 1.0, "sameness": 0.0, "response": 0.0, "moved": 0.0, "leak": 1.0}
    return [
        Signal(
            name,
            tuple(step for step, _, _ in found),
            tuple(value for _, value, _ in found),
            tuple(count for _, _, count in found),
            against[name],
            _named(first) if name != "leak" else "prompts with the trigger",
        )
        for name, found in rows.items()
    ]


def _by_prompt(
    before: dict[tuple[str, int | None], int], now: dict[tuple[str, int | None], int]
) -> list[tuple[int, int]]:
    """Samples of one prompt whatever their seeds: enough to tell how much they vary, not how far each has moved."""
    later = {slot: place for (slot, _), place in now.items()}
    return [(place, later[slot]) for (slot, _), place in before.items() if slot in later]


def _sameness(vectors: Array) -> float:
    """Mean likeness of pictures of different prompts."""
    likes = vectors @ vectors.T
    return float(likes[np.triu_indices(len(likes), 1)].mean())


def _leak(
    looked: Looked, step: int, shared: Sequence[tuple[str, int | None]], before: dict[tuple[str, int | None], int],
    moved: Array,
) -> list[tuple[int, float, int]]:  # fmt: skip
    """Change of prompts without the trigger by that of prompts with it, where both kinds are known."""
    kinds = [looked.samples[before[key]].kind for key in shared]
    plain = [i for i, kind in enumerate(kinds) if kind in PLAIN]
    called = [i for i, kind in enumerate(kinds) if kind and kind not in PLAIN]
    if not plain or not called or float(np.median(moved[called])) < 0.02:
        return []
    return [(step, float(np.median(moved[plain]) / np.median(moved[called])), min(len(plain), len(called)))]


PLAIN = frozenset({"plain", "class", "unrelated", "no-trigger", "without"})


def _frozen(looked: Looked, places: Places) -> Signal | None:
    """Share of samples that are, pixel for pixel, what the same prompt gave at the step before."""
    steps = list(places)
    if len(steps) < 2:
        return None
    rows = []
    for before, step in pairwise(steps):
        old, new = _slots(looked, places[before]), _slots(looked, places[step])
        shared = [key for key in new if key in old]
        if shared:
            same = [looked.checks[old[key]] == looked.checks[new[key]] for key in shared]
            rows.append((step, sum(same) / len(same), len(same)))
    return Signal(
        "frozen_samples",
        tuple(step for step, _, _ in rows),
        tuple(share for _, share, _ in rows),
        tuple(count for _, _, count in rows),
        0.0,
        "the step before",
    )


def _blank(looked: Looked, places: Places) -> Signal:
    """Share of samples of one flat colour: what a NaN in the network or the VAE leaves."""
    flat = looked.pixels["light"][:, 1] < 2.0
    values = tuple(float(flat[where].mean()) for where in places.values())
    names = tuple(looked.samples[i].path.name for where in places.values() for i in where if flat[i])
    return Signal("blank_samples", tuple(places), values, _counts(places), 0.0, "a picture with anything on it", names)
