"""What the labelled runs of `benchmarks/diagnosis.py train` show of each symptom: a table of ground truth, and sheets.

    python benchmarks/diagnosis.py train --work DIR
    python benchmarks/labelled_sheets.py --work DIR/klein --output docs/lab/provoked

A sheet has a row for step 0 and for each checkpoint: pictures of new contexts, of training captions and of prompts
without the trigger, at strength 1, then some of them at 1.25 and 1.5. Nothing is trained or drawn here.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from provoked import write_small

from lora_doctor.lab.labelled import truths
from lora_doctor.lab.taught import Picture
from lora_doctor.lab.truth.outcome import Outcome
from lora_doctor.lab.world.sheet import sheet
from lora_doctor.lab.world.vocabulary import PIXELS

CASES = (
    *("subject-robot-0", "subject-rocket-100", "one-ground-robot-0", "one-place-robot-0", "one-place-rocket-100"),
    *("loud-robot-0", "limbs-critter-0", "limbs-beetle-100", "hot-robot-0"),
)
SHOWN = ("subject-robot-0", "one-ground-robot-0", "one-place-robot-0", "loud-robot-0", "limbs-beetle-100")
COLUMNS = ("taught", "context", "others", "legs", "copies", "spread", "saturation", "strong")
FILES = (
    *("novel-0-0", "novel-0-1", "novel-1-0", "novel-1-1", "training-0-0", "training-0-1"),
    *("unrelated-0-0", "unrelated-0-1"),
    *("novel-0-0-strength-1.25", "novel-0-0-strength-1.5", "novel-1-0-strength-1.25", "novel-1-0-strength-1.5"),
)


def row(name: str, step: int, found: Outcome) -> str:
    """One line of the table."""
    values = [getattr(found, column) for column in COLUMNS]
    return f"| {' | '.join([name, f'{step:,}', *('-' if v is None else f'{v:.0%}' for v in values)])} |"


def drawn(folder: Path) -> list[Picture]:
    """One row of a sheet; what was not drawn is white."""
    blank = np.full((PIXELS, PIXELS, 3), 255, np.uint8)
    paths = [folder / f"{name}.png" for name in FILES]
    return [np.asarray(Image.open(path).convert("RGB")) if path.is_file() else blank for path in paths]


def rows_of(work: Path, case: str, output: Path) -> Sequence[str]:
    """A case's lines; its sheet is written where it is one of those shown."""
    run = work / case / "run"
    found = truths(run)
    if case in SHOWN:
        steps = [picture for step in sorted(found) for picture in drawn(run / f"samples/step-{step:06}")]
        output.mkdir(parents=True, exist_ok=True)
        write_small(output / f"labelled-{case}.png", sheet(steps, len(FILES), scale=1))
    return [row(case, step, found[step]) for step in sorted(found)]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="runs of one family")
    parser.add_argument("--output", type=Path, required=True, help="the sheets")
    options = parser.parse_args()
    print(f"| run | step | {' | '.join(COLUMNS[:-1])} | kept at 1.5 |")
    print("|---|--:|" + "--:|" * len(COLUMNS))
    for case in CASES:
        for line in rows_of(options.work, case, options.output):
            print(line)


if __name__ == "__main__":
    main()
