"""What `lora-doctor train` measured itself while it trained: losses on fixed noise and the prompt's weight, as signals.

The rows of `monitors.jsonl` are those `symptoms.window` describes. Losses are relative to the base model's at the same
noise, so that the logarithm of held-out by training loss is 0 at the start, and grows as pictures are learned by heart.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lora_doctor.runs.facts import Curve as Logged
from lora_doctor.runs.facts import Run
from lora_doctor.runs.native import TRAINER, monitor_rows
from lora_doctor.runs.roles import HELD_OUT, curve_of
from lora_doctor.symptoms.signals import Signal
from lora_doctor.symptoms.tracks import held_out
from lora_doctor.symptoms.window import Curve, Window, best_window, sensitivities
from lora_doctor.symptoms.window import curve_of as losses_of

ASKED = 6  # prompts that lora-doctor's monitors ask at least
Rows = Sequence[Mapping[str, Any]]


def rows_of(run: Run) -> list[dict[str, Any]]:
    """The rows of lora-doctor's own monitors; none for other trainers' runs."""
    return monitor_rows(run.folder) if run.trainer == TRAINER else []


def monitored(rows: Rows) -> Iterator[Signal]:
    """Every signal in them."""
    curves = {name: losses_of(rows, name) for name in ("train", "held_out", "shifted")}
    own, held, shifted = curves["train"], curves["held_out"], curves["shifted"]
    if held is not None:
        means = _means(held)
        logged = Logged("stable_loss/held_out", tuple(means), tuple(means.values()), (), "monitors.jsonl")
        yield from held_out(logged, len(held.losses))
    if own is not None and held is not None:
        yield from _gap("heldout_gap", held, own)
    if own is not None and shifted is not None:
        yield from _gap("augmentation_gap", shifted, own)
    obeyed = sensitivities(rows)
    if obeyed:
        steps = tuple(sorted(obeyed))
        counts = (ASKED,) * len(steps)
        yield Signal("prompt_sensitivity", steps, tuple(obeyed[s] for s in steps), counts, 1.0, "the base model")
    yield from _answers(rows)
    yield from _strengths(rows)


def _strengths(rows: Rows) -> Iterator[Signal]:
    """How far the change at twice the strength is from twice the change."""
    found = {int(row["step"]): row["response"] for row in rows if row.get("monitor") == "strength" and row.get("step")}
    values = {step: _number(each.get("2")) for step, each in sorted(found.items()) if isinstance(each, dict)}
    known = {step: value for step, value in values.items() if value is not None}
    if known:
        yield Signal("strength_response", tuple(known), tuple(known.values()), (), 1.0, "in proportion")


def _answers(rows: Rows) -> Iterator[Signal]:
    """What prompts without the trigger, and unrelated ones, do; and how much of the change only strengthens."""
    points: dict[str, dict[int, float]] = {name: {} for name in _AGAINST}
    for row in rows:
        if row.get("monitor") != "prompts" or not row.get("step"):
            continue
        own, other = _number(row.get("drift")), _number(row.get("drift_unrelated"))
        found = {"gating": _number(row.get("leakage")), "drift": other / own if own and other is not None else None}
        gain = _number(row.get("gain"))
        found["gain"] = abs(gain) if gain is not None else None
        found["prompt_effect"] = _number(row.get("obeyed"))
        found["unrelated_effect"] = _number(row.get("obeyed_unrelated"))
        for name, value in found.items():
            if value is not None:
                points[name][int(row["step"])] = value
    for name, values in points.items():
        if values:
            at = tuple(sorted(values))
            yield Signal(name, at, tuple(values[s] for s in at), (ASKED,) * len(at), 1.0, _AGAINST[name])


_AGAINST = {
    "gating": "prompts with the trigger",
    "drift": "the LoRA's own prompts",
    "gain": "no change",
    "prompt_effect": "the base model",
    "unrelated_effect": "the base model",
}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def _means(curve: Curve) -> dict[int, float]:
    count = len(curve.losses)
    return {step: sum(image[k] for image in curve.losses) / count for k, step in enumerate(curve.steps)}


def _gap(name: str, outside: Curve, inside: Curve) -> Iterator[Signal]:
    """log of the loss outside the training images by that inside, at the steps that have both."""
    far, near = _means(outside), _means(inside)
    steps = tuple(step for step in far if near.get(step, 0) > 0 and far[step] > 0)
    values = tuple(math.log(far[step] / near[step]) for step in steps)
    counts = (min(len(outside.losses), len(inside.losses)),) * len(steps)
    if steps:
        yield Signal(name, steps, values, counts, 0.0, "the base model")


def window_of(run: Run, rows: Rows) -> Window | None:
    """The checkpoints worth keeping, where a loss on images that were not trained on is known at three steps or more.

    A trainer's own log has one number for all held-out images: whether another draw of them would choose the same
    checkpoint can't be asked, and the confidence stays at a half.
    """
    saved = [each.step for each in run.checkpoints if each.step]
    if rows:
        found = best_window(rows, saved)
        return found if found.verdict != "unknown" else None
    logged = curve_of(run.curves, HELD_OUT)
    if logged is None or run.axis != "step" or not saved:
        return None
    points = {s: v for s, v in zip(logged.steps, logged.values) if math.isfinite(v)}
    made = [{"monitor": "loss", "set": "held_out", "step": s, "losses": [[v]]} for s, v in sorted(points.items())]
    found = best_window(made, saved)
    return found if found.verdict != "unknown" else None
