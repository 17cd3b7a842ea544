"""What the adapter does to prompts: whether they still count, what leaks without the trigger, what drifts.

    sensitivity   mean distance between the predictions for two prompts on the same noise, as a share of the base
                  model's: far below 1, the image no longer depends on the prompt
    obeyed        what is left of the difference that two prompts make in the base model, along it: 1 is all of it, 0
                  none; of prompts that call what is taught, and of unrelated ones. A prompt that changes the image as
                  much as ever, but no longer to what it says, counts here and not in the sensitivity
    drift         root mean square of the change, as a share of the base's prediction: of prompts that call what is
                  taught, and of unrelated ones, where it is what was forgotten
    leakage       change without the trigger by change with it: 1, the trigger says nothing
    gain          the change's part along the base's clean image, as a share of it: what saturates and over-contrasts
                  (the parallel part of arXiv:2410.02416)

Predictions of the base are kept: they never change. The measures themselves are our own forms, tried on small models;
what values are usual differs between families.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from lora_doctor.probe.predict import Answer, Asked, Image, answered, answers, clean
from lora_doctor.train.adapters import strength
from lora_doctor.train.families import Family, Models

SIGMAS = (0.95, 0.7)  # where prompts decide composition, and content


class Asking(NamedTuple):
    """Encoded prompts: those that call what is taught, the same with and without the trigger, and others."""

    taught: tuple[Mapping[str, Tensor], ...]
    pairs: tuple[tuple[Mapping[str, Tensor], Mapping[str, Tensor]], ...]
    unrelated: tuple[Mapping[str, Tensor], ...]


class Measured(NamedTuple):
    """Shares as the module's head says; None where there were too few prompts."""

    sensitivity: float | None
    sensitivity_at: dict[str, float]  # by sigma
    drift: float | None
    drift_unrelated: float | None
    leakage: float | None
    gain: float | None
    obeyed: float | None = None
    obeyed_unrelated: float | None = None


class PromptProbe:
    """Asks always the same; holds the base model's answers."""

    def __init__(self, asking: Asking, image: Image, sigmas: Sequence[float] = SIGMAS) -> None:
        """`image` gives the size, and what little of an image is left at these noise levels."""
        self._sigmas, self._asking = tuple(sigmas), asking
        prompts = [*asking.taught, *(each for pair in asking.pairs for each in pair), *asking.unrelated]
        self._asked = [
            Asked(image.latents, sigma, prompt, image.sizes, f"prompts {sigma:.4f}")
            for sigma in self._sigmas
            for prompt in prompts
        ]
        self._count = len(prompts)
        self._base: list[Answer] = []

    @property
    def base(self) -> Tensor | None:
        """The base predictions, `[prompts at every sigma, C, h, w]`: worth keeping; None before it was asked."""
        return torch.stack([each.predicted for each in self._base]) if self._base else None

    def remember(self, family: Family, models: Models, predicted: Tensor) -> bool:
        """Take an earlier `base` for the same prompts instead of asking again; False where it can't be that."""
        if predicted.shape != (len(self._asked), *self._asked[0].latents.shape):
            return False
        found = [answered(family, models, [one], each[None]) for one, each in zip(self._asked, predicted)]
        self._base = [_on_cpu(answer) for (answer,) in found]
        return True

    def ask_base(self, family: Family, models: Models) -> None:
        """Ask the base model, where it was not yet."""
        if not self._base:
            with strength(models, 0.0):
                self._base = [_on_cpu(each) for each in answers(family, models, self._asked)]

    def __call__(self, family: Family, models: Models) -> Measured:
        """Measure the adapter as it is."""
        self.ask_base(family, models)
        now = [_on_cpu(each) for each in answers(family, models, self._asked)]
        change = [one.predicted - other.predicted for one, other in zip(now, self._base)]
        taught = self._places(0, len(self._asking.taught))
        first = len(self._asking.taught)
        called = self._places(first, 2 * len(self._asking.pairs), 2)
        plain = self._places(first + 1, 2 * len(self._asking.pairs) - 1, 2)
        others = self._places(first + 2 * len(self._asking.pairs), len(self._asking.unrelated))
        at = {f"{sigma:g}": self._sensitivity(nth, now) for nth, sigma in enumerate(self._sigmas)}
        known = {sigma: value for sigma, value in at.items() if value is not None}
        moved = _size(change, called)
        return Measured(
            sum(known.values()) / len(known) if known else None,
            known,
            _share(_size(change, taught), _size([each.predicted for each in self._base], taught)),
            _share(_size(change, others), _size([each.predicted for each in self._base], others)),
            _share(_size(change, plain), moved),
            self._gain(family, models, now, taught),
            self._obeyed(now, 0, len(self._asking.taught)),
            self._obeyed(now, first + 2 * len(self._asking.pairs), len(self._asking.unrelated)),
        )

    def _places(self, first: int, length: int, step: int = 1) -> list[int]:
        """Places of the same prompts at every sigma."""
        own = range(first, first + max(0, length), step)
        return [nth * self._count + place for nth in range(len(self._sigmas)) for place in own]

    def _sensitivity(self, nth: int, now: Sequence[Answer]) -> float | None:
        taught = range(nth * self._count, nth * self._count + len(self._asking.taught))
        return _share(_apart([now[i].predicted for i in taught]), _apart([self._base[i].predicted for i in taught]))

    def _obeyed(self, now: Sequence[Answer], first: int, length: int) -> float | None:
        """Mean over the noise levels."""
        found = []
        for nth in range(len(self._sigmas)):
            own = range(nth * self._count + first, nth * self._count + first + length)
            answers_now, before = ([each[i].predicted for i in own] for each in (now, self._base))
            found.append(_along(answers_now, before))
        known = [each for each in found if each is not None]
        return sum(known) / len(known) if known else None

    def _gain(self, family: Family, models: Models, now: Sequence[Answer], places: Sequence[int]) -> float | None:
        along, whole = 0.0, 0.0
        for place in places:
            images = [_centred(clean(family, models, each[place])) for each in (now, self._base)]
            along += float(((images[0] - images[1]) * images[1]).sum())
            whole += float(images[1].square().sum())
        return along / whole if whole > 0 else None


def response(
    family: Family, models: Models, asked: Callable[[], Sequence[Asked]], strengths: Sequence[float]
) -> dict[str, float]:
    """Change at each strength by strength times the change at 1: 1 is in proportion, more is where it breaks away.

    `asked` is called at every strength: a text encoder's adapter has one too.
    """

    def at(value: float) -> list[Tensor]:
        with strength(models, value):
            return [each.predicted.cpu() for each in answers(family, models, asked())]

    base = at(0.0)
    sizes = {
        value: _size([one - other for one, other in zip(at(value), base)], range(len(base)))
        for value in {*strengths, 1.0}
    }
    one = sizes[1.0]
    return {f"{value:g}": sizes[value] / (value * one) for value in strengths if value > 0 and one > 0}


def _on_cpu(answer: Answer) -> Answer:
    return Answer(*(part.cpu() for part in answer))


def _size(tensors: Sequence[Tensor], places: Sequence[int]) -> float:
    """Root of the mean square over all of them."""
    if not places:
        return 0.0
    return float(torch.stack([tensors[place].square().mean() for place in places]).mean().sqrt())


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _apart(tensors: Sequence[Tensor]) -> float:
    """Mean distance of two of them."""
    pairs = [(one, other) for nth, one in enumerate(tensors) for other in tensors[nth + 1 :]]
    return sum(float((one - other).square().mean().sqrt()) for one, other in pairs) / len(pairs) if pairs else 0.0


def _along(now: Sequence[Tensor], before: Sequence[Tensor]) -> float | None:
    """The part of the differences between `before` that is still there in `now`, by their squares; None of fewer than
    two, or where they do not differ."""
    if len(before) < 2:
        return None
    still, whole = (torch.stack(list(each)).double() for each in (now, before))
    still, whole = (each - each.mean(0) for each in (still, whole))
    size = float(whole.square().sum())
    return float((still * whole).sum()) / size if size > 0 else None


def _centred(image: Tensor) -> Tensor:
    return image - image.mean(dim=(-2, -1), keepdim=True)
