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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from diagnosis_figures import TIERS, report, store, stored, trainings

from lora_doctor.lab.labelled import Case
from lora_doctor.runs.facts import Curve, Run
from lora_doctor.source.document import SourceError
from lora_doctor.symptoms.calibrate import Fitted, as_limits, fit, lacking
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
    from lora_doctor.lab import micro_klein
    from lora_doctor.lab.labelled import train_case

    _on_one_core()
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
    _on_one_core()
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
        source = f"lab, micro {families}: {len(some)} {own} runs of {trainings(some)} trainings"
        each = fit(some, "measured in the lab", source, read_specs(table))
        for name, limits in as_limits(each, (key,)).items():
            table["signals"][name]["limits"] = {**limits, **table["signals"][name]["limits"]}
        found += each
    write_beside(TABLE, (json.dumps(table, indent=1, ensure_ascii=False) + "\n").encode())
    for one in found:
        print(f"{one.symptom}: {one.signal} {one.limit.alarm:g} ({one.hits}/{one.ill}, {one.false}/{one.well})")
    for symptom, why in lacking(runs).items():
        print(f"{symptom}: no limit, {why}")


def _on_one_core() -> None:
    import torch

    from lora_doctor.train.loading import quieten

    torch.set_num_threads(1)
    quieten()


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
