"""How right `lora-doctor diagnose` is: labelled runs on the lab's pipelines, limits from some, figures of others.

    python benchmarks/diagnosis.py train --work DIR                     # micro Klein; stop and go on at any time
    python benchmarks/diagnosis.py train --work DIR --family sdxl --model FOLDER      # and sana, with --unseen
    python benchmarks/diagnosis.py measure --work DIR                   # what the doctor sees of each run
    python benchmarks/diagnosis.py fit --work DIR                       # limits, into the table of signals
    python benchmarks/diagnosis.py report --work DIR --output docs/diagnosis.md --readme README.md
    python benchmarks/diagnosis.py store --work DIR --output fixtures/runs/judged.json    # for the tests

A case is one training; a run is what a user would have who stopped at one of its checkpoints, so a case of four
checkpoints gives three runs (of two, three and four checkpoints). Runs are labelled by what came out, with the measures
of `lora_doctor.lab.truth.outcome`, not by how they were provoked. Seeds and subjects of the two parts differ.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lora_doctor.lab.labelled import Case
from lora_doctor.lab.truth.outcome import LIMITS
from lora_doctor.runs.facts import Curve, Run
from lora_doctor.source.document import SourceError
from lora_doctor.symptoms.calibrate import Fitted, accused, as_limits, fit, lacking, scores
from lora_doctor.symptoms.judged import Judged, from_data
from lora_doctor.symptoms.signals import TABLE, read_specs
from lora_doctor.write import write_beside


class Pace(NamedTuple):
    """How a family's micro model learns a subject: rate at which 12 pictures are learned in 160 x `longer` steps of
    batch 4, its contexts kept, and layers to train, where those of the recipe are too few.
    """

    rate: float
    longer: float
    targets: tuple[str, ...] = ()


SANA = ("to_q", "to_k", "to_v", "to_out.0", "linear_1", "linear_2", "conv_inverted", "conv_point")
PACES: Mapping[str, Pace] = {
    "klein": Pace(2e-3, 1.0),
    "sdxl": Pace(3e-3, 1.5),
    "sana": Pace(1e-3, 1.5, SANA),
}
HEAD = """# How right diagnose is

{all} labelled runs on the lab's micro models, made by

    python benchmarks/diagnosis.py train --work DIR        # as long as you like; stops and goes on at any time
    python benchmarks/diagnosis.py train --work DIR --family sdxl --model fixtures/models/micro-sdxl
    python benchmarks/diagnosis.py train --work DIR --family sana --model fixtures/models/micro-sana --unseen
    python benchmarks/diagnosis.py measure --work DIR      # the same with --family and --model
    python benchmarks/diagnosis.py fit --work DIR          # the limits `micro` of lora_doctor/symptoms/signals.json
    python benchmarks/diagnosis.py report --work DIR --output docs/diagnosis.md --readme README.md

| part | models | runs | trainings |
|---|---|--:|--:|
| limits were set on | micro Klein, micro SDXL | {fitted_runs} | {fitted_trainings} |
| reported: other subjects and seeds | micro Klein, micro SDXL | {reported_runs} | {reported_trainings} |
| a family that no limit saw | micro SANA | {unseen_runs} | {unseen_trainings} |

A run is what a user has who stops at a checkpoint: a training of four checkpoints gives three runs, which are not
independent; a symptom that fewer than three runs of a part have says nothing there. The limits hold for models of no
known size (`micro`), as the lab's are; for real models signs carry over, levels may not.

Each run is labelled by what came out, told by the lab's ground truth (`lora_doctor/lab/truth/outcome.py`, with reasons)
and written down before any verdict was looked at. Between the two limits a run is left open and counts on neither side.
Two things were changed after a look at labels and verdicts: whether a checkpoint is worth keeping no longer depends on
the legs of other prompts' creatures, which are counted only where a dozen are recognised and so condemned the better
ones; and the legs of a creature that the base model does not know are held against 92 % right, what it draws of others.
Legs that nobody asked about suffer first: seven of ten runs that had them counted lost a fifth, and without a detector
the doctor can't see it.

| symptom | there from | not there up to |
|---|--:|--:|
{rows}

Layers never trained and weights stalled in bf16 are known by construction. Healthy: none of them is there, some may be
open. Accused: any symptom but notes, and `anatomy-at-risk`. Files only: checkpoints, samples and logs, without what
`lora-doctor train` measured of the model; with the base model: the same and its answers at every checkpoint, 3 or 4
images held out in most trainings.
"""
TIERS = ("files", "base")
UNSEEN = ("sana",)  # the family that no limit sees
WHAT = ("reported", "of a family that no limit saw", "the limits were set on")
SEED = (  # the five symptoms that lora-doctor began with
    "training-images-reproduced",
    "anatomy-at-risk",
    "colours-collapsed",
    "prompt-ignored",
    "artefacts-at-high-strength",
)
BEGIN, END = "<!-- figures of benchmarks/diagnosis.py -->", "<!-- end -->"
STALE = 900.0  # seconds after which a case that is not done counts as abandoned
SUBJECTS = (("robot", "mushroom"), ("rocket", "fish", "cottage"))  # for limits, for the report
STYLES = (("sepia",), ("blueprint", "pastel"))
CREATURES = (("lizard", "critter"), ("lizard", "beetle"))  # one alone is held out of pretraining
LARGE: Mapping[str, Any] = {"adapter.rank": 64, "adapter.alpha": 64, "captions.dropout": 0.0}


def cases(part: int, nth: int, pace: Pace) -> Iterator[Case]:
    """One round: every kind once. part 0 is for limits, 1 for the report."""
    subject, style = (names[part][nth % len(names[part])] for names in (SUBJECTS, STYLES))
    creature = CREATURES[part][nth % len(CREATURES[part])]

    def case(kind: str, what: str, steps: int, times: float, **own: Any) -> Case:
        told = _steps(pace, steps, times) | own.pop("also", {})
        return Case(kind, what, seed=100 * part + nth, reported=part == 1, settings=told, **own)

    yield case("subject", subject, 160, 1, number=(12, 8, 16)[nth % 3])
    yield case("memorised", subject, 280, 1.5, number=3 + nth % 2, held=4 * (1 - nth % 2))
    yield case("burnt", subject, 60, (15, 25)[nth % 2])
    yield case("loud", subject, 80, 4, also={"adapter.alpha": (64, 32)[nth % 2]})
    yield case("alike", subject, 120, 4, number=8, alike=True, also=LARGE)
    yield case("one-ground", subject, 120, 2, number=8, alike=True, pool="plain", also=LARGE)
    yield case("style", style, 80, 4, number=14)
    yield case("creature", creature, 160, 4, number=4, held=4 * (nth % 2))
    yield case("one-place", subject, 80, (4, 1)[nth % 2], number=8, alike=True, pool="logo", also=LARGE)
    yield case("plain", subject, 80, 4, number=10, held=3, pool="plain")
    yield case("under", subject, 60, 0.3)
    yield case("stopped", subject, 60, 4, number=5, held=4 * (nth % 2))
    yield case("hot", subject, 60, (10, 6)[nth % 2], also=LARGE)
    yield case("limbs", ("critter", "beetle")[part], 240, 4, number=3, held=0, also=LARGE)
    yield case("tinted", "monochrome" if part else "sepia", 80, 4, number=10)  # the limits' part knows no other
    yield case("palette", subject, 80, 4, number=10, pool="palette")
    yield case("leak", subject, 80, 4, trigger="star")
    yield case("logo", subject, 60, 4, number=8, pool="logo")
    yield case("frozen", subject, 60, 4, frozen=0.3)
    yield case("stalled", subject, 60, 0.05, also={"precision.adapter": "bf16"})


def _steps(pace: Pace, steps: int, times: float) -> dict[str, Any]:
    """A length with four checkpoints, and a rate."""
    quarter = round(steps * pace.longer / 4)
    told: dict[str, Any] = {
        "training.steps": 4 * quarter,
        "saving.every_steps": quarter,
        "validation.every_steps": quarter,
        "optimizer.learning_rate": pace.rate * times,
        "schedule.name": "constant",
    }
    return told | ({"adapter.targets": list(pace.targets)} if pace.targets else {})


def planned(options: argparse.Namespace) -> list[Case]:
    """All cases, both parts in turn, so that what is done when time runs out is balanced."""
    pace = PACES[options.family]
    both = [list(zip(cases(0, nth, pace), cases(1, nth, pace))) for nth in range(options.rounds)]
    return [case for some in both for pair in some for case in pair if not options.unseen or case.reported]


def train(options: argparse.Namespace) -> None:
    """Train what is not there yet."""
    import torch

    from lora_doctor.lab import micro_klein
    from lora_doctor.lab.labelled import train_case
    from lora_doctor.train.loading import quieten

    torch.set_num_threads(1)
    quieten()
    root, model = options.work / options.family, options.model or micro_klein()
    wanted = [word for word in options.only.split(",") if word]
    for case in planned(options):
        folder = root / case.name
        if (folder / "done").exists() or (wanted and case.name not in wanted and case.kind not in wanted):
            continue
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if not _abandoned(folder):
                continue
            shutil.rmtree(folder, ignore_errors=True)
        begun = time.time(), time.process_time()
        try:
            end = train_case(case, model, folder, root / "cache")
        except Exception:  # a run that can't be trained is told, and the others go on
            print(f"{case.name}:\n{traceback.format_exc()}", flush=True)
            continue
        if end.status == "interrupted":
            shutil.rmtree(folder)
            return
        for state in folder.glob("run/checkpoints/*/state"):
            shutil.rmtree(state)
        (folder / "done").touch()
        spent = time.time() - begun[0], time.process_time() - begun[1]
        print(f"{case.name}: {spent[0]:.0f} s, of CPU {spent[1]:.0f} s", flush=True)


def measure(options: argparse.Namespace) -> None:
    """What the doctor measures of every run, beside what is true of it: `judged.json` in the case's folder."""
    import torch

    from lora_doctor.train.loading import quieten

    torch.set_num_threads(1)
    quieten()
    for case in planned(options):
        folder = options.work / options.family / case.name
        if (folder / "done").exists() and (options.anew or not (folder / "judged.json").exists()):
            try:
                rows = list(_measured(case, folder))
            except SourceError as error:
                print(f"{case.name}: {error}", flush=True)
                continue
            write_beside(folder / "judged.json", json.dumps(rows).encode())
            print(f"{case.name}: {len(rows)} runs", flush=True)


def _measured(case: Case, folder: Path) -> Iterator[dict[str, Any]]:
    from lora_doctor.lab.labelled import truths
    from lora_doctor.lab.pretrain.attention import plain_attention
    from lora_doctor.lab.truth.outcome import labels, usable
    from lora_doctor.probe.asked import ask
    from lora_doctor.probe.questions import questions_of
    from lora_doctor.runs.read import read_run
    from lora_doctor.symptoms.judged import as_data, of_course
    from lora_doctor.symptoms.measure import examine

    found = truths(folder / "run")
    base, steps = found.pop(0), sorted(found)
    run = read_run(folder / "run")
    with plain_attention("cpu"):
        rows = ask(run, questions_of(run, None, None), folder / "answers").rows
    for end in steps[1:]:
        best = max(found[step].taught for step in steps if step <= end)
        kept = tuple(step for step in steps if step <= end and usable(found[step], base, best))
        told = {name: there for name, there in labels(found[end], base).items() if there is not None}
        told |= {"layers-never-trained": case.frozen > 0, "weights-stalled": case.kind == "stalled"}
        for tier in TIERS:
            own = [row for row in rows if row["step"] <= end] if tier == "base" else []
            course = examine(until(run, end, tier), purpose=case.purpose, rows=own, cache=folder / "pictures.sqlite")
            judged = of_course(f"{case.name}@{end}", course, told, kept)
            yield {"tier": tier, "reported": case.reported, "kind": case.kind, **as_data(judged)}


def until(run: Run, end: int, tier: str) -> Run:
    """The run as it was after this step; without what lora-doctor measured of the model, where only files are read."""
    curves = [curve for curve in run.curves if tier == "base" or curve.source != "monitors.jsonl"]
    return run._replace(
        checkpoints=tuple(each for each in run.checkpoints if (each.step or 0) <= end),
        samples=tuple(each for each in run.samples if (each.step or 0) <= end),
        curves=tuple(curve for each in curves if (curve := _cut(each, end)).steps),
    )


def _cut(curve: Curve, end: int) -> Curve:
    count = sum(step <= end for step in curve.steps)
    return curve._replace(steps=curve.steps[:count], values=curve.values[:count], times=curve.times[:count])


class Parts(NamedTuple):
    """Measured runs of a tier: those limits were set on, those of the same families for the report, and those of a
    family that no limit saw."""

    fitted: list[Judged]
    reported: list[Judged]
    unseen: list[Judged]


def stored(options: argparse.Namespace, tier: str) -> Parts:
    """What is measured so far."""
    parts = Parts([], [], [])
    for path in sorted(options.work.glob("*/*/judged.json")):
        for row in json.loads(path.read_bytes()):
            reported = row.pop("reported")
            part = parts.unseen if path.parts[-3] in UNSEEN else parts.reported if reported else parts.fitted
            row.pop("kind")
            if row.pop("tier") == tier:
                part.append(from_data(row))
    return parts


def fit_limits(options: argparse.Namespace) -> None:
    """Limits from the first part, into the table of signals. The base model's tier sees every signal."""
    runs = stored(options, "base").fitted
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    for row in table["signals"].values():
        limits = row.get("limits", {})
        row["limits"] = {key: limit for key, limit in limits.items() if not key.startswith("micro")}
    found: list[Fitted] = []
    for key, own in (("micro", "subject"), ("micro@style", "style")):
        some = [run for run in runs if run.purpose == own]
        families = " and ".join(sorted({str(run.family) for run in some}))
        source = f"lab, micro {families}: {len(some)} {own} runs of {_trainings(some)} trainings"
        each = fit(some, "measured in the lab", source, read_specs(table))
        for name, limits in as_limits(each, (key,)).items():
            table["signals"][name]["limits"] = {**limits, **table["signals"][name]["limits"]}
        found += each
    write_beside(TABLE, (json.dumps(table, indent=1, ensure_ascii=False) + "\n").encode())
    for one in found:
        print(f"{one.symptom}: {one.signal} {one.limit.alarm:g} ({one.hits}/{one.ill}, {one.false}/{one.well})")
    for symptom, why in lacking(runs).items():
        print(f"{symptom}: no limit, {why}")


def report(options: argparse.Namespace) -> None:
    """The figures, as Markdown; and the few that the README quotes, where it is given."""
    lines: list[str] = [_head(options)]
    for tier, title in zip(TIERS, ("Files only", "With the base model")):
        parts = stored(options, tier)
        for runs, what in zip((parts.reported, parts.unseen, parts.fitted), WHAT):
            if runs:
                lines += [f"### {title}: {len(runs)} runs {what}", "", *_figures(runs), ""]
    text = "\n".join(lines)
    print(text)
    if options.output:
        write_beside(options.output, text.encode())
    if options.readme:
        before, _, rest = options.readme.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        write_beside(options.readme, f"{before}{BEGIN}\n{_summary(options)}\n{END}{after}".encode())


def store(options: argparse.Namespace) -> None:
    """The last run of every training of the first round, for the tests."""
    rows = []
    for path in sorted(options.work.glob("*/*/judged.json")):
        if path.parent.name.rpartition("-")[2] in ("0", "100"):
            found = json.loads(path.read_bytes())
            unseen = path.parts[-3] in UNSEEN
            rows += [{**row, "unseen": unseen} for row in found if row["name"] == found[-1]["name"]]
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    write_beside(options.output, f"[\n{lines}\n]\n".encode())


def _head(options: argparse.Namespace) -> str:
    """What was trained, what counts as what, and what the figures can't say."""
    parts = stored(options, "base")
    rows = "\n".join(f"| {name} | {each.present:g} | {each.absent:g} |" for name, each in LIMITS.items())
    counts = {f"{name}_runs": len(runs) for name, runs in parts._asdict().items()}
    trainings = {f"{name}_trainings": _trainings(runs) for name, runs in parts._asdict().items()}
    return HEAD.format(all=sum(counts.values()), **counts, **trainings, rows=rows)


def _trainings(runs: Sequence[Judged]) -> int:
    return len({(run.family, run.name.split("@")[0]) for run in runs})


def _summary(options: argparse.Namespace) -> str:
    """The few figures that a reader of the README wants, of runs that no limit saw."""
    columns = [(title, runs) for tier, title in zip(TIERS, ("files only", "with the base model"))
               for runs in stored(options, tier)[1:] if runs]  # fmt: skip
    ends = ("", ", unseen family")
    heads = [f"{title}{ends[place % 2]} ({len(runs)} runs)" for place, (title, runs) in enumerate(columns)]
    rows = [f"| found | {' | '.join(heads)} |", "|---|" + "--:|" * len(columns)]
    told = [scores(runs) for _, runs in columns]
    for symptom in SEED:
        cells = [_of(each[symptom].found, each[symptom].ill) for each in told]
        rows.append(f"| `{symptom}` | {' | '.join(cells)} |")
    healthy = [[bool(_wrongly(run)) for run in runs if run.healthy] for _, runs in columns]
    rows.append(f"| healthy runs accused | {' | '.join(_of(sum(each), len(each)) for each in healthy)} |")
    picks = [_picks(runs) for _, runs in columns]
    rows.append(f"| the picked checkpoint is worth keeping | {' | '.join(_of(*each) for each in picks)} |")
    return "\n".join(rows)


def _of(part: int, whole: int) -> str:
    return f"{part} of {whole}" if whole else "-"


def _wrongly(run: Judged) -> list[str]:
    """Symptoms that the doctor finds in a run, and that are not left open."""
    return [name for name in accused(run) if name in run.present or name not in LIMITS]


def _picks(runs: Sequence[Judged]) -> tuple[int, int]:
    """Picks that are worth keeping, of those made in runs that have a checkpoint worth keeping."""
    made = [run.pick in run.usable for run in runs if run.usable and run.pick is not None]
    return sum(made), len(made)


def _figures(runs: list[Judged]) -> Iterator[str]:
    yield "| symptom | runs with it | found | missed | can't tell | recall | runs without | accused |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    for symptom, each in scores(runs).items():
        recall = f"{each.found / each.ill:.0%}" if each.ill else "-"
        counts = f"{each.ill} | {each.found} | {each.missed} | {each.open} | {recall} | {each.well} | {each.accused}"
        yield f"| {symptom} | {counts} |"
    healthy = [run for run in runs if run.healthy]
    wrong = {f"{run.family} {run.name}": names for run in healthy if (names := _wrongly(run))}
    share = f" ({len(wrong) / len(healthy):.0%})" if healthy else ""
    yield ""
    yield f"Healthy runs accused: {len(wrong)} of {len(healthy)}{share}."
    for name, names in wrong.items():
        yield f"- {name}: {', '.join(names)}"
    right, made = _picks(runs)
    if made:
        missing = sum(bool(run.usable) and run.pick is None for run in runs)
        yield ""
        of = f"{right} of {made} runs ({right / made:.0%})"
        yield f"The picked checkpoint is worth keeping in {of} that have one; in {missing} more nothing was picked."


def _abandoned(folder: Path) -> bool:
    """Whether nobody has written to a case's folder for a while: a job that was stopped leaves it half done."""
    newest = max((path.stat().st_mtime for path in folder.rglob("*")), default=folder.stat().st_mtime)
    return time.time() - newest > STALE


DOING: Mapping[str, Any] = {"train": train, "measure": measure, "fit": fit_limits, "report": report, "store": store}


def main() -> None:
    """Does what is asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=DOING)
    parser.add_argument("--work", type=Path, default=Path("diagnosis"))
    parser.add_argument("--family", default="klein")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--unseen", action="store_true", help="of a family that no limit may see: the reported part")
    parser.add_argument("--only", default="", help="kinds, with commas")
    parser.add_argument("--output", type=Path, help="of the report, or of the stored runs")
    parser.add_argument("--readme", type=Path, help="where the report's main figures stand between two comments")
    parser.add_argument("--anew", action="store_true", help="measure again what was measured")
    options = parser.parse_args()
    DOING[options.what](options)


if __name__ == "__main__":
    main()
