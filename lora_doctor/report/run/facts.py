"""What the page on a run shows: the course, its verdicts, and small pictures of the samples that are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from lora_doctor.dataset.thumbnails import pictures
from lora_doctor.runs.facts import Run, Sample
from lora_doctor.symptoms.course import Course
from lora_doctor.symptoms.judge import Diagnosed
from lora_doctor.symptoms.likeness import Match
from lora_doctor.symptoms.measure import evenly, training_files

COLUMNS = 10  # steps on the contact sheet
ROWS = 14  # prompts on it
STRENGTHS = 8  # columns of the sweep
BESIDE = 160  # pixels of a training image beside a sample


class Slot(NamedTuple):
    """One row of the contact sheet: a prompt with its seed, and of an edit the images it is drawn with."""

    prompt: str
    seed: int | None
    kind: str
    control: tuple[str, ...] = ()


class Near(NamedTuple):
    """The training image that a sample comes nearest to; ratio: of the usual distance between training images."""

    picture: str
    ratio: float | None


class RunPage(NamedTuple):
    """The sheet's cells are names of samples relative to the run; `pictures` and `training` hold data addresses."""

    course: Course
    diagnosed: tuple[Diagnosed, ...]
    steps: tuple[int, ...]
    sheet: Mapping[tuple[Slot, int], str]
    strengths: tuple[float, ...]
    sweep: Mapping[tuple[Slot, float], str]
    swept_at: int | None
    copies: Mapping[str, Match]
    nearest: Mapping[str, Near]
    pictures: Mapping[str, str]
    training: Mapping[str, str]
    left_out: int = 0  # prompts for which there was no room

    @property
    def run(self) -> Run:
        """The run."""
        return self.course.run

    @property
    def present(self) -> list[Diagnosed]:
        """The symptoms that are there."""
        return [each for each in self.diagnosed if each.verdict.present]


def run_page(course: Course, diagnosed: Sequence[Diagnosed]) -> RunPage:
    """Choose what is drawn, and make its small pictures."""
    steps = _steps(course, diagnosed)
    named = {_name(course.run, sample): sample for sample in course.run.samples}
    plain = {name: s for name, s in named.items() if s.strength == 1.0 or s.step == 0}
    wanted = _slots(plain.values())
    slots = set(wanted[:ROWS])
    sheet: dict[tuple[Slot, int], str] = {}
    for name, sample in plain.items():
        if sample.step in steps and slot_of(sample) in slots:
            sheet.setdefault((slot_of(sample), sample.step), name)
    at, sweep = _sweep(named)
    matches = course.likeness.matches if course.likeness else ()
    copies = {match.sample: match for match in matches if match.step != 0}  # what the base model shows, no LoRA learned
    about = [name for each in diagnosed if each.verdict.present for name in each.verdict.about[:24]]
    shown = list(dict.fromkeys([*sheet.values(), *sweep.values(), *(_known(named, about))]))
    nearest = _nearest(course)
    control = dict.fromkeys(name for slot, _ in (*sheet, *sweep) for name in slot.control)
    made = pictures(course.run.folder, [*shown, *control])
    return RunPage(
        course, tuple(diagnosed), steps, sheet, tuple(sorted({strength for _, strength in sweep}))[:STRENGTHS], sweep,
        at, copies, nearest, made, _training(course.run, [nearest[n].picture for n in shown if n in nearest]),
        max(0, len(wanted) - ROWS),
    )  # fmt: skip


def _name(run: Run, sample: Sample) -> str:
    return sample.path.relative_to(run.folder).as_posix()


def slot_of(sample: Sample) -> Slot:
    """The row a sample belongs to; a prompt without words goes by its place in the trainer's list."""
    return Slot(sample.prompt or f"prompt {sample.slot}".strip(), sample.seed, sample.kind, sample.control)


def _slots(samples: Iterable[Sample]) -> list[Slot]:
    """Rows in the order of the run's first samples, all prompts once before any prompt's second seed."""
    found = list(dict.fromkeys(slot_of(sample) for sample in samples))
    seen: dict[str, int] = {}
    order = []
    for slot in found:
        seen[slot.prompt] = seen.get(slot.prompt, -1) + 1
        order.append((seen[slot.prompt], slot))
    return [slot for _, slot in sorted(order, key=lambda pair: pair[0])]


def _steps(course: Course, diagnosed: Sequence[Diagnosed]) -> tuple[int, ...]:
    """The sheet's columns: first, last, those the window and the verdicts name, and some between."""
    known = sorted({each.step for each in course.run.samples if each.step is not None})
    if len(known) <= COLUMNS:
        return tuple(known)
    window = course.window
    named = [window.pick, window.first, window.last] if window else []
    named += [each.verdict.since for each in diagnosed if each.verdict.present]
    near = [min(known, key=lambda step: abs(step - each)) for each in named if each is not None]
    chosen = set(dict.fromkeys([known[0], known[-1], *near][:COLUMNS]))
    rest = [step for step in known if step not in chosen]
    room = COLUMNS - len(chosen)
    chosen |= {rest[(i * 2 + 1) * len(rest) // (2 * room)] for i in range(room)}
    return tuple(sorted(chosen))


def _sweep(named: Mapping[str, Sample]) -> tuple[int | None, dict[tuple[Slot, float], str]]:
    """Samples at several strengths, of the last step that has them."""
    at = max((s.step for s in named.values() if s.step and s.strength not in (0.0, 1.0)), default=None)
    own = {name: s for name, s in named.items() if at is not None and s.step == at}
    swept = {slot_of(s) for s in own.values() if s.strength != 1.0}
    found: dict[tuple[Slot, float], str] = {}
    for name, sample in own.items():
        if slot_of(sample) in swept:
            found.setdefault((slot_of(sample), sample.strength), name)
    return at, found


def _known(named: Mapping[str, Sample], about: Iterable[str]) -> Iterable[str]:
    """Samples by what a verdict calls them: their whole name, or its last part."""
    short = {name.rpartition("/")[2]: name for name in named}
    return (each if each in named else short[each] for each in about if each in named or each in short)


def _nearest(course: Course) -> dict[str, Near]:
    """Every sample's nearest training image; the exam's own match where there is one."""
    if course.likeness is None:
        return {}
    usual = next((match.usual for match in course.likeness.matches), None)
    found = {}
    for sample, (picture, distance) in zip(evenly(course.run.samples), course.likeness.nearest):
        if picture:
            ratio = distance / usual if usual else None
            found[_name(course.run, sample)] = Near(picture, ratio)
    for match in course.likeness.matches:
        found[match.sample] = Near(match.picture, match.distance / match.usual if match.usual else None)
    return found


def _training(run: Run, names: Iterable[str]) -> dict[str, str]:
    found = training_files(run)
    return pictures(found[0], sorted(set(names)), edge=BESIDE) if found else {}
