"""The course of a run: the record that rules on symptoms look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from lora_doctor.plan import Plan
from lora_doctor.runs.facts import Run
from lora_doctor.symptoms.advice import Words
from lora_doctor.symptoms.signals import Limit, Reading, Signal, Spec, read_signal, specs
from lora_doctor.symptoms.verdict import ABSENT, PRIOR, UNKNOWN, Advice, Verdict, probability, since_of, state_of
from lora_doctor.symptoms.window import Window

if TYPE_CHECKING:  # rules on symptoms are loaded by a lint too, which does without image libraries
    from lora_doctor.symptoms.likeness import Likeness
    from lora_doctor.symptoms.weights import Weighed

NOTHING: Mapping[str, Signal] = MappingProxyType({})


class Course(NamedTuple):
    """A run, measured. unmeasured: signals that could not be taken, each with the reason; trained_prompts: samples with
    a training caption as their prompt, None where prompts or captions are not known; table: of signals, in place of
    the one that comes along; window: the checkpoints worth keeping, None where no held-out loss tells; weighed: the
    run's checkpoints in their order, None for one whose weights can't be read; micro: the model is of no known size of
    its family, as the lab's are.
    """

    run: Run
    family: str | None
    purpose: str | None
    signals: Mapping[str, Signal] = NOTHING
    unmeasured: Mapping[str, str] = MappingProxyType({})
    likeness: Likeness | None = None
    trained_prompts: int | None = None
    trigger: str = ""
    table: Mapping[str, Spec] | None = None
    window: Window | None = None
    weighed: tuple[Weighed | None, ...] = ()
    micro: bool = False

    @property
    def plan(self) -> Plan | None:
        """The run's plan."""
        return self.run.plan

    @property
    def words(self) -> Words:
        """How to say what to do to this trainer."""
        return Words(self.run)

    @property
    def specs(self) -> Mapping[str, Spec]:
        """The table of signals in force."""
        return self.table if self.table is not None else specs()

    def limit(self, name: str) -> Limit | None:
        """The limits of a signal for this family and purpose."""
        return self.specs[name].limit(self.family, self.purpose, self.micro)

    def read(self, name: str) -> Reading | None:
        """A signal held against its limits; None where it was not measured or is only shown."""
        signal, limit = self.signals.get(name), self.limit(name)
        if signal is None or not signal.values or limit is None:
            return None
        return read_signal(signal, self.specs[name], limit)

    def raised(self, name: str) -> Reading | None:
        """The same, where it is beyond its warning."""
        found = self.read(name)
        return found if found is not None and found.raised else None

    @property
    def reached(self) -> int | None:
        """The last step there is anything of."""
        steps = [*self.run.steps, *(signal.at[-1] for signal in self.signals.values() if signal.at)]
        return max(steps, default=None)

    def before(self, step: int | None) -> int | None:
        """The last checkpoint (or else measured step) before a step; None where there is none after the start."""
        if step is None:
            return None
        saved = [each.step for each in self.run.checkpoints if each.step is not None]
        known = saved or sorted({at for signal in self.signals.values() for at in signal.at})
        return max((at for at in known if 0 < at < step), default=None)

    def optimum(self) -> int | None:
        """The step of the lowest held-out loss."""
        signal = self.signals.get("past_optimum")
        if signal is None or not signal.values[-1]:
            return None
        return round(signal.at[-1] / signal.values[-1])

    def halved(self, concept: str) -> float | None:
        """Half of a setting's value, where it is a known number above 1."""
        value = self.words.value(concept)
        return value / 2 if isinstance(value, (int, float)) and value > 1 else None

    def decay_advice(self) -> tuple[Advice, ...]:
        """The weight decay that would hold the norms in a run of this length and rate; none where those are unknown."""
        rate, steps = self.words.value("optimizer.learning_rate"), self.reached
        if not isinstance(rate, (int, float)) or not 0 < rate < 0.1 or not steps:
            return ()
        decay = float(f"{0.105 / (rate * steps):.1g}")
        why = f"takes 10 % off in {steps:,} steps at this rate; less has no effect"
        return (self.words.set("optimizer.weight_decay", decay, why, f"a weight decay of {decay:g}"),)

    def caption_ending(self) -> str | None:
        """The ending of most text files beside the training images."""
        listings = [data.listing for data in self.plan.datasets if data.listing] if self.plan else []
        endings = Counter("." + name.rpartition(".")[2] for each in listings for name in each.texts)
        return endings.most_common(1)[0][0] if endings else None

    def shown(self, reading: Reading) -> str:
        """A reading's value as people read it."""
        return shown(reading.value, reading.spec.unit)

    def weigh(
        self,
        says: str,
        *,
        main: Sequence[str],
        also: Sequence[str] = (),
        advice: Iterable[Advice] = (),
        prior: float = PRIOR,
        most: float = 1.0,
        clean: str = "",
        sure: float = 1.0,
    ) -> Verdict:
        """The verdict on a symptom. main: signals of which one at least must have been measured, and one raised for the
        symptom to be present; also: further evidence. says: the sentence where it is present, clean: where it is not.
        most: the highest confidence this evidence can ever give that it is present, sure: that it is absent.
        """
        own = self._readings(main)
        readings = [*own, *self._readings(also)]
        chance = probability(own, readings[len(own) :], prior)
        if not any(each.raised for each in own):
            chance = min(chance, 0.5)
        state, confidence = state_of(chance, bool(own))
        looked = tuple(main)
        missing = tuple(self._need(name) for name in (*main, *also) if self.read(name) is None and self.limit(name))
        if state == UNKNOWN:
            told = self._unsure(own, main)
            return Verdict(UNKNOWN, min(confidence, most), told, tuple(readings), needs=_once(missing), main=looked)
        if state == ABSENT:
            return Verdict(ABSENT, min(confidence, sure), clean, tuple(readings), needs=_once(missing), main=looked)
        about = next((each.signal.about for each in own if each.raised and each.signal.about), ())
        return Verdict(
            state,
            min(confidence, most),
            says,
            tuple(readings),
            since_of(readings),
            tuple(advice),
            _once(missing),
            about,
            looked,
        )

    def _readings(self, names: Iterable[str]) -> list[Reading]:
        return [each for each in (self.read(name) for name in names) if each is not None]

    def _unsure(self, own: Sequence[Reading], main: Sequence[str]) -> str:
        if not own:
            return f"not measured: {self._need(main[0])}"
        raised = [each for each in own if each.raised]
        if raised:
            told = ", ".join(f"{each.spec.title} {shown(each.value, each.spec.unit)}" for each in raised)
            return f"possible: {told}, too little to be sure of"
        return "nothing points to it, but too little was measured to rule it out"

    def _need(self, name: str) -> str:
        reason = self.unmeasured.get(name, "")
        title = self.specs[name].title
        return f"{title} ({reason})" if reason else title


def _once(needs: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(needs))


def shown(value: float, unit: str) -> str:
    """A value as people read it."""
    if unit == "share":
        return f"{value:.0%}" if value == 0 or abs(value) >= 0.01 else f"{value:.1%}"
    if unit == "count":
        return f"{value:,.0f}"
    if unit == "ratio":
        return f"{value:.2f}x" if value < 10 else f"{value:,.0f}x"
    if unit == "z":
        return f"{value:+.1f} sd"
    return f"{value:.3g}"
