"""The figures of `benchmarks/diagnosis.py`: of measured runs, as Markdown, and as they are stored for the tests."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lora_doctor.lab.truth.outcome import LIMITS
from lora_doctor.symptoms.calibrate import scores, wrongly
from lora_doctor.symptoms.judged import Judged, from_data
from lora_doctor.write import write_beside

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
    counted = {f"{name}_trainings": trainings(runs) for name, runs in parts._asdict().items()}
    return HEAD.format(all=sum(counts.values()), **counts, **counted, rows=rows)


def trainings(runs: Sequence[Judged]) -> int:
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
    healthy = [[bool(wrongly(run, LIMITS)) for run in runs if run.healthy] for _, runs in columns]
    rows.append(f"| healthy runs accused | {' | '.join(_of(sum(each), len(each)) for each in healthy)} |")
    picks = [_picks(runs) for _, runs in columns]
    rows.append(f"| the picked checkpoint is worth keeping | {' | '.join(_of(*each) for each in picks)} |")
    return "\n".join(rows)


def _of(part: int, whole: int) -> str:
    return f"{part} of {whole}" if whole else "-"


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
    wrong = {f"{run.family} {run.name}": names for run in healthy if (names := wrongly(run, LIMITS))}
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
