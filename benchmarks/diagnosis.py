"""How right `lora-doctor diagnose` is: labelled runs on the lab's pipelines, limits from some, figures of others.

    python benchmarks/diagnosis.py train --work DIR                     # micro Klein; stop and go on at any time
    python benchmarks/diagnosis.py train --work DIR --family sdxl --model FOLDER
    python benchmarks/diagnosis.py measure --work DIR                   # what the doctor sees of each run
    python benchmarks/diagnosis.py fit --work DIR                       # limits, into the table of signals
    python benchmarks/diagnosis.py report --work DIR --output docs/diagnosis.md

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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lora_doctor.lab.labelled import Case
from lora_doctor.lab.truth.outcome import LIMITS
from lora_doctor.runs.facts import Curve, Run
from lora_doctor.symptoms.calibrate import accused, as_limits, fit, lacking, scores
from lora_doctor.symptoms.judged import Judged, from_data
from lora_doctor.symptoms.signals import TABLE, read_specs
from lora_doctor.write import write_beside

RATE = 2e-3  # at which micro Klein learns a subject in 120 steps of batch 4, its contexts kept
HEAD = """# How right diagnose is

Labelled runs on the lab's micro {family}, made by

    python benchmarks/diagnosis.py train --work DIR        # as long as you like; stops and goes on at any time
    python benchmarks/diagnosis.py measure --work DIR
    python benchmarks/diagnosis.py fit --work DIR          # the limits `micro ...` of lora_doctor/symptoms/signals.json
    python benchmarks/diagnosis.py report --work DIR --output docs/diagnosis.md

So far: {fitted} runs of {fitted_trainings} trainings that limits were set on,
{reported} runs of {reported_trainings} trainings with other subjects and seeds that no limit saw.
A run is what a user has who stops at a checkpoint: a training of four checkpoints gives three runs, which are not
independent. **This is a beginning, not a proof**: the aim is 120 runs of three families, and a symptom that fewer than
three runs of a part have says nothing there. The limits hold for models of no known size (`micro`), as the lab's are;
for real models signs carry over, levels may not.

Each run is labelled by what came out, told by the lab's ground truth (`lora_doctor/lab/truth/outcome.py`, with reasons)
and written down before any verdict was looked at. Between the two limits a run is left open and counts on neither side.

| symptom | there from | not there up to |
|---|--:|--:|
{rows}

Layers never trained and weights stalled in bf16 are known by construction. Healthy: none of them is there, some may be
open. Accused: any symptom but notes, and `anatomy-at-risk`. Files only: checkpoints, samples and logs, without what
`lora-doctor train` measured of the model; with the base model: the same and its answers at every checkpoint, 3 or 4
images held out in most trainings.
"""
TIERS = ("files", "base")
STALE = 900.0  # seconds after which a case that is not done counts as abandoned
SUBJECTS = (("robot", "mushroom"), ("rocket", "fish", "cottage"))  # for limits, for the report
STYLES = (("sepia",), ("blueprint", "pastel"))
CREATURES = (("lizard", "critter"), ("beetle",))


def cases(part: int, nth: int) -> Iterator[Case]:
    """One round: every kind once. part 0 is for limits, 1 for the report."""
    subject, style = (names[part][nth % len(names[part])] for names in (SUBJECTS, STYLES))
    creature = CREATURES[part][nth % len(CREATURES[part])]
    seed = 100 * part + nth
    common: dict[str, Any] = {"seed": seed, "reported": part == 1}
    yield Case("subject", subject, number=(12, 8, 16)[nth % 3], settings=_steps(160), **common)
    yield Case("memorised", subject, number=3 + nth % 2, held=4 * (1 - nth % 2), settings=_steps(280, 1.5), **common)
    yield Case("burnt", subject, settings=_steps(60, 60), **common)
    yield Case("loud", subject, settings=_steps(80, 4) | {"adapter.alpha": (64, 32)[nth % 2]}, **common)
    alike = _steps(120, 4) | {"adapter.rank": 64, "adapter.alpha": 64, "captions.dropout": 0.0}
    yield Case("alike", subject, number=8, alike=True, settings=alike, **common)
    yield Case("style", style, number=14, settings=_steps(80, 4), **common)
    yield Case("creature", creature, number=4, settings=_steps(120, 4), **common)
    yield Case("plain", subject, number=10, held=3, pool="plain", settings=_steps(80, 4), **common)
    yield Case("under", subject, settings=_steps(60, 0.3), **common)
    yield Case("stopped", subject, number=5, held=4 * (nth % 2), settings=_steps(60, 4), **common)
    yield Case("hot", subject, settings=_steps(80, (10, 20, 40)[nth % 3]), **common)
    one_tint = "monochrome" if part else "sepia"  # the limits' part knows no other told well
    yield Case("tinted", one_tint, number=10, settings=_steps(80, 4), **common)
    yield Case("palette", subject, number=10, pool="palette", settings=_steps(80, 4), **common)
    yield Case("leak", subject, trigger="star", settings=_steps(80, 4), **common)
    yield Case("logo", subject, number=8, pool="logo", settings=_steps(60, 4), **common)
    yield Case("frozen", subject, frozen=0.3, settings=_steps(60, 4), **common)
    yield Case("stalled", subject, settings=_steps(60, 0.05) | {"precision.adapter": "bf16"}, **common)


def _steps(steps: int, times: float = 1.0) -> dict[str, Any]:
    """A length with four checkpoints, and a rate."""
    return {
        "training.steps": steps,
        "saving.every_steps": steps // 4,
        "validation.every_steps": steps // 4,
        "optimizer.learning_rate": RATE * times,
        "schedule.name": "constant",
    }


def planned(rounds: int) -> list[Case]:
    """All cases, both parts in turn, so that what is done when time runs out is balanced."""
    both = [list(zip(cases(0, nth), cases(1, nth))) for nth in range(rounds)]
    return [case for some in both for pair in some for case in pair]


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
    for case in planned(options.rounds):
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
    for case in planned(options.rounds):
        folder = options.work / options.family / case.name
        if (folder / "done").exists() and (options.anew or not (folder / "judged.json").exists()):
            rows = list(_measured(case, folder))
            write_beside(folder / "judged.json", json.dumps(rows).encode())
            print(f"{case.name}: {len(rows)} runs", flush=True)


def _measured(case: Case, folder: Path) -> Iterator[dict[str, Any]]:
    from lora_doctor.lab.labelled import truths
    from lora_doctor.lab.truth.outcome import labels, usable
    from lora_doctor.runs.native import monitor_rows
    from lora_doctor.runs.read import read_run
    from lora_doctor.symptoms.judged import as_data, of_course
    from lora_doctor.symptoms.measure import examine

    found = truths(folder / "run")
    base, steps = found.pop(0), sorted(found)
    run, rows = read_run(folder / "run"), monitor_rows(folder / "run")
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


def stored(options: argparse.Namespace, tier: str) -> tuple[list[Judged], list[Judged]]:
    """The measured runs of a tier: those for limits, and those for the report."""
    parts: tuple[list[Judged], list[Judged]] = [], []
    for path in sorted((options.work / options.family).glob("*/judged.json")):
        for row in json.loads(path.read_bytes()):
            kind, reported = row.pop("kind"), row.pop("reported")
            if row.pop("tier") == tier and kind:
                parts[reported].append(from_data(row))
    return parts


def fit_limits(options: argparse.Namespace) -> None:
    """Limits from the first part, into the table of signals. The base model's tier sees every signal."""
    runs, _ = stored(options, "base")
    family = {run.family for run in runs}.pop()
    source = f"lab, micro {family}: {len(runs)} runs of {len({run.name.split('@')[0] for run in runs})} trainings"
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    for row in table["signals"].values():
        for key in (f"micro {family}", "micro"):
            row.get("limits", {}).pop(key, None)
    found = fit(runs, "measured in the lab", source, read_specs(table))
    for name, limits in as_limits(found, (f"micro {family}", "micro")).items():
        table["signals"][name]["limits"] = {**limits, **table["signals"][name]["limits"]}
    write_beside(TABLE, (json.dumps(table, indent=1, ensure_ascii=False) + "\n").encode())
    for each in found:
        print(f"{each.symptom}: {each.signal} {each.limit.alarm:g} ({each.hits}/{each.ill}, {each.false}/{each.well})")
    for symptom, why in lacking(runs).items():
        print(f"{symptom}: no limit, {why}")


def report(options: argparse.Namespace) -> None:
    """The figures, as Markdown."""
    lines: list[str] = [_head(options)]
    for tier, title in zip(TIERS, ("Files only", "With the base model")):
        fitted, reported = stored(options, tier)
        for runs, what in ((reported, "reported"), (fitted, "the limits were set on")):
            if runs:
                lines += [f"### {title}: {len(runs)} runs {what}", "", *_figures(runs), ""]
    text = "\n".join(lines)
    print(text)
    if options.output:
        write_beside(options.output, text.encode())


def _head(options: argparse.Namespace) -> str:
    """What was trained, what counts as what, and what the figures can't say."""
    fitted, reported = stored(options, "base")
    counts = [(len(runs), len({run.name.split("@")[0] for run in runs})) for runs in (fitted, reported)]
    rows = "\n".join(f"| {name} | {each.present:g} | {each.absent:g} |" for name, each in LIMITS.items())
    return HEAD.format(
        fitted=counts[0][0], fitted_trainings=counts[0][1], reported=counts[1][0], reported_trainings=counts[1][1],
        family=options.family, rows=rows,
    )  # fmt: skip


def _figures(runs: list[Judged]) -> Iterator[str]:
    yield "| symptom | runs with it | found | missed | can't tell | recall | runs without | accused |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    for symptom, each in scores(runs).items():
        recall = f"{each.found / each.ill:.0%}" if each.ill else "-"
        counts = f"{each.ill} | {each.found} | {each.missed} | {each.open} | {recall} | {each.well} | {each.accused}"
        yield f"| {symptom} | {counts} |"
    healthy = [run for run in runs if run.healthy]
    wrong = {run.name: names for run in healthy if (names := accused(run))}
    share = f" ({len(wrong) / len(healthy):.0%})" if healthy else ""
    yield ""
    yield f"Healthy runs accused: {len(wrong)} of {len(healthy)}{share}."
    for name, names in wrong.items():
        yield f"- {name}: {', '.join(names)}"
    windows = [run for run in runs if run.usable and run.pick is not None]
    right = sum(run.pick in (run.usable or ()) for run in windows)
    if windows:
        missing = sum(bool(run.usable) and run.pick is None for run in runs)
        yield ""
        of = f"{right} of {len(windows)} runs ({right / len(windows):.0%})"
        yield f"The picked checkpoint is worth keeping in {of} that have one; in {missing} more nothing was picked."


def _abandoned(folder: Path) -> bool:
    """Whether nobody has written to a case's folder for a while: a job that was stopped leaves it half done."""
    newest = max((path.stat().st_mtime for path in folder.rglob("*")), default=folder.stat().st_mtime)
    return time.time() - newest > STALE


DOING: Mapping[str, Any] = {"train": train, "measure": measure, "fit": fit_limits, "report": report}


def main() -> None:
    """Does what is asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=DOING)
    parser.add_argument("--work", type=Path, default=Path("diagnosis"))
    parser.add_argument("--family", default="klein")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--only", default="", help="kinds, with commas")
    parser.add_argument("--output", type=Path, help="of the report")
    parser.add_argument("--anew", action="store_true", help="measure again what was measured")
    options = parser.parse_args()
    DOING[options.what](options)


if __name__ == "__main__":
    main()
