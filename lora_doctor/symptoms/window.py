"""The checkpoints worth keeping: from when a LoRA has learned most of it to when it begins to lose it again.

Reads what `lora-doctor train` measured on fixed noise (`monitors.jsonl`) and nothing else; pure functions, no packages.

Every image's loss is divided by the base model's mean at the same noise level, so that each level counts alike and the
image's own difficulty cancels between steps. The optimum is the vertex of a parabola through the lowest point and its
neighbours. The window opens where the curve is nearly down and closes where it has clearly risen again or the prompt
counts for less; the pick is the last that is as nearly down, since likeness is best at the optimum and a little later
(in the public runs, and by the lab's ground truth). Both ends are measured by what the run gained, because that is 1 to
2 % of the loss on a large model and most of it on a small one. How sure the choice is, is the share of draws of the
images (with replacement) in which the same checkpoint, or a neighbour, is chosen. Whether anything was gained at all is
asked of the signs: of a run that learns nothing, each image's loss falls as often as it rises.

Sources: spacepxl/demystifying-sd-finetuning@f23a53e (event files: the optimum is the left end of what people find
usable, which ends at two to three times its steps, where the held-out loss has risen by 2 to 2.5 % of its start);
arXiv:2505.17638 (time to good samples is constant, time to memorising grows with the number of images).
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

DRAWS = 400  # of the images, for the confidence
OPEN = (0.005, 0.1)  # the window opens within this of the lowest: share of the base's loss, or of the gain
CLOSED = (0.02, 0.25)  # and closes this far above it; in both the larger counts
LATE = 3.0  # times the optimum's steps after which nothing is kept, whatever the loss says
OBEYED = 0.7  # of the base model's sensitivity to the prompt
FALLING = 0.9  # an optimum beyond this share of the run is its end: it was still falling
FEW = 4  # images below which the mean says little: half as sure at most
SHIFTED = 0.5  # confidence at most where no image was held out
LEVEL = 0.05  # of the test whether anything was gained
ENOUGH = 6  # images that this test needs
END = "the run ends"
DIVERGED = 10.0  # times the base's loss: as good as no number


class Curve(NamedTuple):
    """The loss of each image over the steps, relative to the base model's mean: `losses[image][place]`.

    `on` is `held_out`, or `shifted`: copies of training images moved by some pixels, where none was held out.
    """

    steps: tuple[int, ...]
    losses: tuple[tuple[float, ...], ...]
    on: str = "held_out"


class Choice(NamedTuple):
    """Of one draw: places among the checkpoints, and the optimum in steps."""

    pick: int
    first: int
    last: int
    optimum: float
    opens: str
    closes: str


class Window(NamedTuple):
    """The answer. `verdict`: `found`, `train longer`, `save more often`, `nothing learned` or `unknown`.

    `pick` is the checkpoint to use, `first` and `last` the usable ones, all as steps; `optimum` is the step of the
    lowest loss; `opens` and `closes` say what stands at either end. `confidence`, 0 to 1, is of the pick and its
    neighbours.
    """

    verdict: str
    sentence: str
    pick: int | None = None
    first: int | None = None
    last: int | None = None
    optimum: float | None = None
    opens: str = ""
    closes: str = ""
    confidence: float = 0.0
    images: int = 0
    on: str = "held_out"


def best_window(rows: Iterable[Mapping[str, Any]], saved: Sequence[int]) -> Window:
    """The window of a run from its rows of `monitors.jsonl` and the steps that were saved."""
    rows = list(rows)
    curve = curve_of(rows, "held_out") or curve_of(rows, "shifted")
    steps = sorted(step for step in saved if step > 0)
    diverged = ""
    if curve is not None:
        curve, diverged = _sound(curve)
    if curve is None or len(curve.steps) < 3:
        return Window("unknown", "too little was measured to choose a checkpoint: fewer than three steps have a loss")
    steps = [step for step in steps if step <= curve.steps[-1]]
    if not steps:
        return Window("unknown", "no checkpoint was saved while the loss was measured")
    found = _judged(curve, steps, sensitivities(rows))
    return found._replace(closes=diverged) if diverged and found.closes == END else found


def _sound(curve: Curve) -> tuple[Curve, str]:
    """The curve up to where the run diverged; nothing behind that is worth anything."""
    for place, step in enumerate(curve.steps):
        if place and any(image[place] >= DIVERGED for image in curve.losses):
            kept = Curve(curve.steps[:place], tuple(image[:place] for image in curve.losses), curve.on)
            return kept, f"at step {step:,} it diverged"
    return curve, ""


def curve_of(rows: Iterable[Mapping[str, Any]], on: str) -> Curve | None:
    """The rows of one set, each image divided by the base's mean per noise level; None where there are none.

    The base is the row that says so (`base`: measured without the adapter), else the first. A number that is none (a
    diverged step) counts as `DIVERGED`.
    """
    own = [row for row in rows if row.get("monitor") == "loss" and row.get("set") == on and row.get("losses")]
    found = {row["step"]: row["losses"] for row in sorted(own, key=lambda row: not row.get("base"))}
    steps = sorted(found)
    if not steps:
        return None
    base = next((row["losses"] for row in own if row.get("base")), found[steps[0]])
    levels = [sum(image[level] for image in base) / len(base) for level in range(len(base[0]))]
    complete = [step for step in steps if len(found[step]) == len(base)]
    losses = [[_relative(found[step][image], levels) for step in complete] for image in range(len(base))]
    return Curve(tuple(complete), tuple(tuple(image) for image in losses), on)


def _relative(losses: Sequence[float | None], levels: Sequence[float]) -> float:
    pairs = [(loss, level) for loss, level in zip(losses, levels) if level > 0]
    parts = [DIVERGED if loss is None else loss / level for loss, level in pairs]
    mean = sum(parts) / len(parts) if parts else 1.0
    return mean if mean < DIVERGED else DIVERGED


def sensitivities(rows: Iterable[Mapping[str, Any]]) -> dict[int, float]:
    """The prompt sensitivity of every step that has one, as a share of the base model's."""
    found = {}
    for row in rows:
        value = row.get("sensitivity")
        if row.get("monitor") == "prompts" and isinstance(value, (int, float)) and value == value:
            found[int(row["step"])] = float(value)
    return found


def _judged(curve: Curve, saved: Sequence[int], obeyed: Mapping[int, float]) -> Window:
    mean = _mean(curve, range(len(curve.losses)))
    draws = list(_draws(curve))
    if _gain(mean) <= 0 or (len(curve.losses) >= ENOUGH and _by_chance(curve) > LEVEL):
        sentence = (
            f"the loss on {_what(curve)} never fell below the base model's: nothing that carries over was learned"
        )
        return Window("nothing learned", sentence, images=len(curve.losses), on=curve.on)
    chosen = _choice(curve.steps, mean, saved, obeyed)
    agreeing = [abs(_choice(curve.steps, drawn, saved, obeyed).pick - chosen.pick) <= 1 for drawn in draws]
    limit = SHIFTED if curve.on == "shifted" or len(curve.losses) < FEW else 1.0
    confidence = min(limit, sum(agreeing) / len(agreeing))
    verdict = _verdict(curve, chosen, saved)
    return Window(
        verdict,
        _sentence(verdict, chosen, saved, confidence),
        saved[chosen.pick],
        saved[chosen.first],
        saved[chosen.last],
        chosen.optimum,
        chosen.opens,
        chosen.closes,
        round(confidence, 2),
        len(curve.losses),
        curve.on,
    )


def _mean(curve: Curve, images: Sequence[int]) -> list[float]:
    return [sum(curve.losses[image][k] for image in images) / len(images) for k in range(len(curve.steps))]


def _draws(curve: Curve) -> Iterable[list[float]]:
    chance = random.Random(0)
    count = len(curve.losses)
    return (_mean(curve, chance.choices(range(count), k=count)) for _ in range(DRAWS))


def _by_chance(curve: Curve) -> float:
    """How often the clearest gain of any step would be as clear, were the sign of each image's gain a coin's.

    A step is as clear as its sum over the images is large beside the root of their squares, which signs do not change.
    """
    gains = [[image[0] - loss for loss in image[1:]] for image in curve.losses]
    sizes = [max(1e-12, sum(gain * gain for gain in column) ** 0.5) for column in zip(*gains)]

    def clearest(signs: Sequence[int]) -> float:
        sums = (sum(sign * gain for sign, gain in zip(signs, column)) for column in zip(*gains))
        return float(max(total / size for total, size in zip(sums, sizes)))

    observed, chance = clearest([1] * len(gains)), random.Random(1)
    return sum(clearest(chance.choices((1, -1), k=len(gains))) >= observed for _ in range(DRAWS)) / DRAWS


def _gain(mean: Sequence[float]) -> float:
    """How far the loss fell below where it began, in units of the base model's loss."""
    return mean[0] - min(mean)


def _choice(steps: Sequence[int], mean: Sequence[float], saved: Sequence[int], obeyed: Mapping[int, float]) -> Choice:
    optimum, lowest = vertex(steps, mean)
    gain = max(0.0, mean[0] - lowest)
    at = [_between(steps, mean, step) for step in saved]
    near = [place for place, value in enumerate(at) if value - lowest <= max(OPEN[0], OPEN[1] * gain)]
    best = min(range(len(saved)), key=lambda place: (at[place], place))
    first = near[0] if near else best
    limit = max(CLOSED[0], CLOSED[1] * gain)
    last, closes = len(saved) - 1, END
    for place in range(max(first, best), len(saved)):
        why = ""
        if at[place] - lowest > limit:
            why = f"at step {saved[place]:,} the loss has risen by {at[place] - lowest:.1%} of the base model's"
        elif saved[place] > LATE * optimum:
            why = f"step {saved[place]:,} is more than {LATE:g} times the optimum's"
        elif (share := _nearest(obeyed, saved[place])) is not None and share < OBEYED:
            why = f"at step {saved[place]:,} the prompt counts for {share:.0%} of what it does in the base model"
        if why and place > first:
            last, closes = place - 1, why
            break
    pick = max([place for place in near if first <= place <= last], default=min(best, last))
    opens = f"before, less than {1 - OPEN[1]:.0%} of it is learned" if first else "it is the first checkpoint"
    return Choice(pick, first, last, optimum, opens, closes)


def vertex(steps: Sequence[int], mean: Sequence[float]) -> tuple[float, float]:
    """Step and value of the lowest point of a parabola through the lowest measured one and its neighbours."""
    low = min(range(len(mean)), key=lambda place: mean[place])
    if low in (0, len(mean) - 1):
        return float(steps[low]), mean[low]
    (x0, x1, x2), (y0, y1, y2) = steps[low - 1 : low + 2], mean[low - 1 : low + 2]
    left, right = (y1 - y0) / (x1 - x0), (y2 - y1) / (x2 - x1)
    bend = (right - left) / (x2 - x0)
    if bend <= 0:
        return float(x1), y1
    at = (x0 + x1) / 2 - left / (2 * bend)
    at = min(max(at, float(x0)), float(x2))
    return at, y0 + left * (at - x0) + bend * (at - x0) * (at - x1)


def _between(steps: Sequence[int], mean: Sequence[float], step: int) -> float:
    """The loss at a step, on the line between its neighbours."""
    right = min(max(1, bisect_left(steps, step)), len(steps) - 1)
    left = right - 1
    share = (step - steps[left]) / (steps[right] - steps[left])
    return mean[left] + min(1.0, max(0.0, share)) * (mean[right] - mean[left])


def _nearest(values: Mapping[int, float], step: int) -> float | None:
    return values[min(values, key=lambda each: abs(each - step))] if values else None


def _verdict(curve: Curve, chosen: Choice, saved: Sequence[int]) -> str:
    if chosen.optimum >= FALLING * curve.steps[-1]:
        return "train longer"
    if chosen.pick == 0 and chosen.optimum <= saved[0] and (len(saved) < 2 or chosen.last == 0):
        return "save more often"
    return "found"


def _sentence(verdict: str, chosen: Choice, saved: Sequence[int], confidence: float) -> str:
    pick = f"step {saved[chosen.pick]:,}"
    sure = f"{confidence:.0%} sure"
    if verdict == "train longer":
        return f"{pick} is the best, and the loss was still falling: train longer to find the optimum ({sure})"
    if verdict == "save more often":
        return (
            f"the optimum, near step {chosen.optimum:,.0f}, lies before the first checkpoint worth keeping: save more "
            f"often, or lower the learning rate; of those there are {pick} is the best ({sure})"
        )
    window = f"steps {saved[chosen.first]:,} to {saved[chosen.last]:,}"
    return f"use {pick}; {window} are usable ({sure})"


def _what(curve: Curve) -> str:
    count = len(curve.losses)
    kind = "held-out image" if curve.on == "held_out" else "shifted image"
    return f"{count} {kind}{'s' * (count != 1)}"
