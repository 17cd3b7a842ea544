"""What is measured while a run goes on, a row each in `monitors.jsonl`.

    base rows     `"base": true`: the same without the adapter, once
    loss          `losses[image][sigma]` of a `set` (train, held_out, or shifted where none is held out) on fixed noise
    stable_loss   their means as shares of the base's, and the gap: the logarithm of held-out by train
    prompts       sensitivity, leakage, drift, gain (`lora_doctor.probe.prompts`)
    weights       growth of the adapter (`lora_doctor.probe.weights`)
    speed         seconds per step and per measurement, memory
    warning       what the user was told
    strength      at the end: the response to other strengths
    window        at the end: the checkpoints worth keeping (`lora_doctor.symptoms.window`)

Measured at the same noise every time, before the first step, at the checkpoints and, where these are few, between them;
as often as costs a fifth of the training at most, but ten times in any run.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from lora_doctor.probe.loss import SIGMAS, losses, shifted
from lora_doctor.probe.predict import Asked
from lora_doctor.probe.prompts import Asking, Measured, PromptProbe, response
from lora_doctor.probe.weights import Growth, WeightProbe
from lora_doctor.symptoms.window import OBEYED, Window, best_window
from lora_doctor.train.adapters import strength
from lora_doctor.train.aside import aside
from lora_doctor.train.debias import Debiased
from lora_doctor.train.edits import asks_of
from lora_doctor.train.families import CONTROL
from lora_doctor.train.feed import Example
from lora_doctor.train.folder import append_row, read_rows
from lora_doctor.train.job import Job
from lora_doctor.train.memory import used
from lora_doctor.train.prompts import Asks
from lora_doctor.train.trouble import lacks_memory
from lora_doctor.train.watch import Halt, State

TRAINED, HELD = 8, 16  # images of either side that are measured
SHARE = 0.2  # of the forwards of training that measuring may cost; a step's backward counts as two
FEWEST, MOST = 10, 40  # measurements of a run
STALLED = 0.9  # share of elements that stood still between two looks
SPIKE = 8.0  # deviations (median of the distances from the median) above the median of the last losses


class Standing(NamedTuple):
    """What the live view shows of the measurements; shares of the base's loss."""

    loss: float | None = None
    train: float | None = None
    held_out: float | None = None
    best: tuple[float, int] | None = None
    warning: str = ""

    @property
    def gap(self) -> float | None:
        """Logarithm of held-out by train."""
        known = self.train and self.held_out
        return math.log(self.held_out / self.train) if known and self.held_out and self.train else None


class Sets(NamedTuple):
    """The images that are measured; `other` is `held_out`, or `shifted` copies of `train`."""

    train: list[Example]
    others: list[Example]
    other: str


class Monitors:
    """Measures; `standing` is what is known now, `window` the verdict at the end."""

    def __init__(self, say: Callable[[str], None], doing: Callable[[str], None] = lambda _: None) -> None:
        """`say` gets sentences that stay, `doing` what is being done, and an empty text when it is over."""
        self._say, self._doing = say, doing
        self.standing = Standing()
        self.window: Window | None = None
        self._every = 1
        self._sets = Sets([], [], "held_out")
        self._prompts: PromptProbe | None = None
        self._weights = WeightProbe()
        self._debiased: Debiased | None = None
        self._base: dict[str, list[float]] = {}  # mean loss of a set at every sigma
        self._warned: set[str] = set()
        self._recent: list[float] = []
        self._last = -1
        self._off = False

    def begin(self, state: State) -> None:
        """The base model, and the adapter as it begins."""
        if len(state.items) == 0:
            self._off = True
            return
        self._every = cadence(state.job)
        with aside(state), strength(state.models, 0.0):  # prompts too are the base's, where encoders are trained
            self._sets = _sets(state)
            self._prompts = _prompt_probe(state, self._sets.train[0])
        self._guarded(state, self._begin)

    def _begin(self, state: State) -> None:
        rows = read_rows(state.folder.monitors)
        with aside(state):
            self._doing("measuring the base model on fixed noise")
            with strength(state.models, 0.0):
                found = {name: losses(state.family, state.models, images) for name, images in self._named()}
                if self._prompts is not None and state.job.adapter.text_encoder:
                    self._prompts.ask_base(state.family, state.models)
            levels = state.family.levels_at(state.models, torch.tensor(SIGMAS)).tolist()
        for name, values in found.items():
            self._base[name] = [sum(column) / len(column) for column in zip(*values)]
            if not any(row.get("base") and row.get("set") == name for row in rows):
                self._row(state, "loss", {"set": name, "base": True, **loss_row(dict(self._named())[name], values)}, 0)
        self._debiased = Debiased(levels, self._base["train"])
        if state.step == 0 and state.job.adapter.start_from is None:
            self._stand(state, dict.fromkeys(found, 1.0))  # a fresh adapter changes nothing
            self._row(state, "weights", self._weights(state.models)._asdict())
        elif state.step == 0:
            self._measure(state)

    def step(self, state: State) -> Halt | None:
        """Takes the step's loss in; measures where it is time."""
        if self._off:
            return None
        levels, errors = state.metrics.get("levels", ()), state.metrics.get("errors", ())
        if self._debiased is not None and not state.growing:
            self.standing = self.standing._replace(loss=self._debiased.add(levels, errors))
        self._watch_spikes(state)
        if state.step % self._every == 0 or state.last:
            self._guarded(state, self._measure)
        return None

    def saved(self, state: State) -> None:
        """Nothing to do: checkpoints are measured with their step."""

    def end(self, state: State, reason: str) -> None:
        """The last measurement, the response to strength, and which checkpoint to use."""
        if self._off or state.step == 0:
            return
        self._guarded(state, self._finish)

    def _finish(self, state: State) -> None:
        if self._last != state.step:
            self._measure(state)

        def asked() -> list[Asked]:
            image = sized(state.items[0])  # its prompt is encoded at the strength that is asked about
            return [Asked(image.latents, sigma, image.prompts, image.sizes, "strength") for sigma in (0.95, 0.7, 0.4)]

        with aside(state):
            self._row(state, "strength", {"response": response(state.family, state.models, asked, STRENGTHS)})
        self.window = best_window(read_rows(state.folder.monitors), state.folder.steps())
        self._row(state, "window", self.window._asdict())
        self._say(self.window.sentence)

    def _guarded(self, state: State, work: Callable[[State], None]) -> None:
        """A lack of memory, or a full disk, ends the measurements, not the run."""
        try:
            work(state)
        except (RuntimeError, MemoryError, OSError) as error:
            if state.job.parted or (not isinstance(error, OSError) and not lacks_memory(error)):
                raise  # where all compute together, the others would wait for this process
            self._off = True
            why = "out of memory" if not isinstance(error, OSError) else str(error)
            self._say(f"no more measurements: {why}; training goes on")
        finally:
            self._doing("")

    def _measure(self, state: State) -> None:
        begun = time.perf_counter()
        self._doing("measuring on fixed noise")
        with aside(state):
            self._encode_again(state)
            found = {name: losses(state.family, state.models, images) for name, images in self._named()}
            asked = self._prompts(state.family, state.models) if self._prompts is not None else None
            growth = self._weights(state.models)
        for name, values in found.items():
            self._row(state, "loss", {"set": name, **loss_row(dict(self._named())[name], values)})
        self._stand(state, {name: self._relative(name, values) for name, values in found.items()})
        if asked is not None:
            self._row(state, "prompts", asked._asdict())
        self._row(state, "weights", growth._asdict())
        self._row(state, "speed", self._speed(state, time.perf_counter() - begun))
        self._judge(state, asked, growth)
        self._last = state.step

    def _encode_again(self, state: State) -> None:
        """Prompts as a text encoder that is trained makes them now; what the base answered is kept."""
        if not state.job.adapter.text_encoder or self._prompts is None:
            return
        self._sets = _sets(state)
        probe = _prompt_probe(state, self._sets.train[0])
        if self._prompts.base is not None:
            probe.remember(state.family, state.models, self._prompts.base)
        self._prompts = probe

    def _named(self) -> list[tuple[str, list[Example]]]:
        return [("train", self._sets.train), (self._sets.other, self._sets.others)]

    def _relative(self, name: str, values: Sequence[Sequence[float]]) -> float:
        base = self._base[name]
        parts = [loss / level for image in values for loss, level in zip(image, base) if level > 0]
        return sum(parts) / len(parts) if parts else math.nan

    def _stand(self, state: State, means: Mapping[str, float]) -> None:
        held, best = means[self._sets.other], self.standing.best
        if math.isfinite(held) and (best is None or held < best[0]):
            best = held, state.step
        self.standing = self.standing._replace(train=means["train"], held_out=held, best=best)
        self._row(state, "stable_loss", {**means, "gap": self.standing.gap, "running": self.standing.loss})

    def _speed(self, state: State, measuring: float) -> dict[str, Any]:
        memory, whole = used(state.device)
        seconds = state.metrics.get("seconds")
        images = state.job.images_per_step
        return {
            "seconds": seconds,
            "images_per_second": images / seconds if seconds else None,
            "memory_gb": round(memory, 3),
            "memory_whole_gb": None if whole is None else round(whole, 1),
            "measuring_seconds": round(measuring, 3),
        }

    def _row(self, state: State, monitor: str, content: Mapping[str, Any], step: int | None = None) -> None:
        row = {"step": state.step if step is None else step, "monitor": monitor, **content}
        append_row(state.folder.monitors, as_numbers(row))

    def _judge(self, state: State, asked: Measured | None, growth: Growth) -> None:
        """What the user should know at once."""
        if asked is not None and asked.sensitivity is not None and asked.sensitivity < OBEYED:
            self._warn(state, "prompts", f"prompts count for {asked.sensitivity:.0%} of what they do in the base model")
        if growth.unchanged is not None and growth.unchanged > STALLED and state.step > 0 and self._learning(state):
            hint = f"`precision.adapter` is {state.job.precision.adapter}"
            self._warn(state, "stall", f"{growth.unchanged:.0%} of the adapter's values stand still: {hint}")
        if growth.norm is not None and not math.isfinite(growth.norm):
            self._warn(state, "norm", "the adapter holds values that are no numbers")

    def _learning(self, state: State) -> bool:
        return all(float(state.metrics.get(name, 0.0)) > 0 for name in ("gradient_norm", "learning_rate"))

    def _watch_spikes(self, state: State) -> None:
        """Three losses in a row far above the usual: the run is about to diverge."""
        loss = state.metrics.get("loss")
        if loss is None or not math.isfinite(loss):
            return
        usual = sorted(self._recent[:-2])
        self._recent = [*self._recent[-102:], loss]
        if len(usual) >= 50:
            middle = usual[len(usual) // 2]
            spread = sorted(abs(each - middle) for each in usual)[len(usual) // 2]
            if min(self._recent[-3:]) > middle + SPIKE * spread and spread > 0:
                self._warn(state, "spike", f"the loss is {loss / middle:.1f} times the usual for three steps")

    def _warn(self, state: State, kind: str, text: str) -> None:
        """Each kind once."""
        if kind not in self._warned:
            self._warned.add(kind)
            sentence = f"step {state.step:,}: {text}"
            self.standing = self.standing._replace(warning=sentence)
            self._row(state, "warning", {"kind": kind, "text": text})
            self._say(f"warning: {sentence}")


STRENGTHS = (0.25, 0.5, 1.0, 1.25, 1.5, 2.0)


def cadence(job: Job) -> int:
    """Steps between measurements, so that checkpoints fall on them where they can."""
    training = 3 * job.training.steps * job.images_per_step
    each = (TRAINED + HELD) * len(SIGMAS) + 40
    count = min(MOST, max(FEWEST, int(SHARE * training / each)))
    every = max(1, math.ceil(job.training.steps / count))
    between = job.saving.every_steps
    if between >= every:
        return max(1, between // max(1, round(between / every)))
    return between * max(1, round(every / between))


def _sets(state: State) -> Sets:
    train = _some(state.items, TRAINED)
    if len(state.held_out):
        return Sets(train, _some(state.held_out, HELD), "held_out")
    return Sets(train, [moved(each) for each in train], "shifted")


def moved(example: Example) -> Example:
    """The example without a strip at its left, of its control images too: they lie on each other as before."""
    prompts = {key: shifted(value) if key.startswith(CONTROL) else value for key, value in example.prompts.items()}
    return example._replace(latents=shifted(example.latents), prompts=prompts)


def _some(examples: Sequence[Example], most: int) -> list[Example]:
    return [sized(examples[place]) for place in spread(len(examples), most)]


def spread(count: int, most: int) -> list[int]:
    """At most so many places, evenly spread over a list: no two of one file where there are enough."""
    places = dict.fromkeys(round(i * (count - 1) / max(1, most - 1)) for i in range(most))
    return [place for place in places if place < count]


def sized(example: Example) -> Example:
    """Named with its size: the noise it is measured on is known by that."""
    return example._replace(name=f"{example.name} {example.latents.shape[-1]}x{example.latents.shape[-2]}")


def _prompt_probe(state: State, image: Example) -> PromptProbe:
    job, items = state.job, state.items
    found = asks_of(job, list(items.captions))  # type: ignore[attr-defined]
    return PromptProbe(asking_of(found, items.prompt, image), image)  # type: ignore[attr-defined]


def asking_of(found: Asks, encoded: Callable[[str], Mapping[str, Any]], image: Example) -> Asking:
    """The prompts, encoded; of an edit, what is taught is asked of the control images of `image`."""
    control = {key: value for key, value in image.prompts.items() if key.startswith(CONTROL)}
    return Asking(
        tuple({**encoded(text), **control} for text in found.taught),
        tuple((encoded(one), encoded(other)) for one, other in found.pairs),
        tuple(encoded(text) for text in found.unrelated),
    )


def loss_row(images: Sequence[Example], values: list[list[float]]) -> dict[str, Any]:
    """What a row on losses holds."""
    return {"sigmas": list(SIGMAS), "images": [each.name for each in images], "losses": values}


def as_numbers(value: Any) -> Any:
    """JSON has no NaN: null; and six digits are enough."""
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: as_numbers(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_numbers(each) for each in value]
    return value
