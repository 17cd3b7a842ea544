"""What to do, in the words of the user's trainer: its key, and a value that follows from this run."""

from __future__ import annotations

from typing import Any, NamedTuple

from lora_doctor.derived import effective_batch, image_count, total_steps
from lora_doctor.dialects import all_dialects
from lora_doctor.models.families import FAMILIES
from lora_doctor.plan import Plan
from lora_doctor.runs import native
from lora_doctor.runs.facts import Run
from lora_doctor.symptoms.verdict import Advice

# Where a Plan's field lies, for the value that the run had.
_FIELDS: dict[str, tuple[str, ...]] = {
    "optimizer.learning_rate": ("optimizer", "learning_rate"),
    "network.alpha": ("network", "alpha"),
    "network.rank": ("network", "rank"),
    "optimizer.weight_decay": ("optimizer", "weight_decay"),
    "optimizer.gradient_clip": ("optimizer", "gradient_clip"),
    "precision.compute": ("precision", "compute"),
    "network.dtype": ("network", "dtype"),
    "steps": ("steps",),
    "epochs": ("epochs",),
    "saving.every_steps": ("saving", "every_steps"),
}


class Words(NamedTuple):
    """A run's trainer, and how it says things."""

    run: Run

    def key(self, concept: str) -> str:
        """The trainer's key for a field of the plan, as this config has it or as the trainer calls it; "" for none."""
        setting = self._setting(concept)
        if setting is not None and setting.key:
            return str(setting.key)
        for dialect in all_dialects():
            if self.run.trainer == dialect.TRAINER and concept in dialect.CONCEPTS:
                return dialect.CONCEPTS[concept]
        return ""

    def value(self, concept: str) -> Any:
        """The value the run had; None where it is not known."""
        setting = self._setting(concept)
        return setting.value if setting is not None else None

    def _setting(self, concept: str) -> Any:
        found: Any = self.run.plan
        if concept.startswith("dataset.") and found is not None and found.datasets:
            return getattr(found.datasets[0], concept.partition(".")[2], None)
        for part in _FIELDS.get(concept, ()):
            found = getattr(found, part, None)
        return found if concept in _FIELDS else None

    def set(self, concept: str, value: float | str | None, why: str, otherwise: str = "") -> Advice:
        """Set a key to a value; without a key or a value, do what the sentence says."""
        key = self.key(concept)
        said = "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
        if key and said:
            return Advice(f"set `{key}` to {said}: {why}", key, said)
        return Advice(f"{otherwise or _PLAIN.get(concept, concept)}: {why}", key, said)

    def stop_at(self, step: int | None, why: str) -> Advice:
        """Train for so many steps only; an axis of epochs is told in epochs. None: there is no checkpoint before."""
        if step is None:
            key = self.key("saving.every_steps")
            return Advice(f"train for fewer steps, and save more often{f' (`{key}`)' if key else ''}: it began early")
        if self.run.axis == "epoch":
            return self.set("epochs", step, why, f"stop at epoch {step:,}")
        return self.set("steps", step, why, f"stop at step {step:,}")

    def train_to(self, step: int | None, why: str) -> Advice:
        """Train on up to a step."""
        said = f"train on to about {'step' if self.run.axis == 'step' else 'epoch'} {step:,}" if step else "train on"
        return self.set("steps" if self.run.axis == "step" else "epochs", step, why, said)

    def rate_by(self, factor: float, why: str) -> Advice:
        """Multiply the learning rate, where it is known."""
        rate = self.value("optimizer.learning_rate")
        new = float(f"{rate * factor:.2g}") if isinstance(rate, (int, float)) and 0 < rate < 0.1 else None
        word = "lower" if factor < 1 else "raise"
        return self.set("optimizer.learning_rate", new, why, f"{word} the learning rate to {factor:g} times")

    def exposures(self, step: int | None) -> float | None:
        """How often each image had been shown, on average, at a step."""
        plan = self.run.plan
        if plan is None or step is None or self.run.axis != "step":
            return None
        batch, images = effective_batch(plan), trained_images(self.run)
        return step * batch / images if batch and images else None


def trained_images(run: Run) -> int | None:
    """Images trained on: as lora-doctor's own run tells, held-out ones aside; else those in the config's folders."""
    told = native.record(run.folder).get("images") if run.trainer == native.TRAINER else None
    if isinstance(told, int):
        return told
    return image_count(run.plan) if run.plan is not None else None


_PLAIN = {
    "steps": "train for fewer steps",
    "optimizer.learning_rate": "change the learning rate",
    "saving.every_steps": "save more often",
    "dataset.caption_dropout": "drop one caption in ten",
    "network.rank": "a lower rank",
    "optimizer.gradient_clip": "clip gradients at a norm of 1",
    "precision.compute": "compute in bf16",
}


def usual_exposures(plan: Plan | None, family: str | None) -> tuple[float, float] | None:
    """The published range of showings per image for a family."""
    known = FAMILIES.get(family or "")
    return known.exposures.ok if known is not None and known.exposures is not None else None


def planned(run: Run) -> float | None:
    """Steps the run was to have."""
    return total_steps(run.plan) if run.plan else None
