"""Is an edit learned, and does it obey the control image? By ground truth, on pairs that training never saw.

    python -m lora_doctor.lab.edited pairs WORK     # before and after, instructions for captions, and a config
    lora-doctor train WORK/run.toml
    python -m lora_doctor.lab.edited measure WORK/run/checkpoints/step-000600

Every picture is drawn by the real pipeline from an instruction and the picture before. The judge then says whether the
attribute that the instruction names is as it asks, and whether all others are as they were. An instruction names
neither subject nor place: what is kept can only come from the control image. So the same is asked of the base model,
and of the LoRA when it is shown another picture than the one it is judged by.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from PIL import Image

from lora_doctor.train.adapters import strength
from lora_doctor.train.families import Family, Models
from lora_doctor.train.loading import load_folder

from . import micro_klein
from .truth.look import look
from .truth.obedience import obedience
from .world.folders import write_pairs
from .world.pairs import KINDS, Edit, edits
from .world.render import Picture, render
from .world.sheet import sheet, write
from .world.vocabulary import PIXELS

LEARNED, UNSEEN = 1, 77  # seeds of the pairs
SHOWN: Final = 8  # columns of the sheet

CONFIG: Final = """\
output = {output}
purpose = "edit"

[model]
path = {model}

[[data]]
folder = {target}
control = {control}

[adapter]
rank = 32

[training]
steps = {steps}
batch_size = 8

[optimizer]
learning_rate = 2e-3
ema = true
ema_decay = 0.97

[schedule]
name = "constant_with_warmup"
warmup_steps = 30

[timesteps]
shift = 2.0

[validation]
every_steps = 0
held_out = 16

[saving]
every_steps = 100
"""


class Score(NamedTuple):
    """Shares from 0 to 1, over pictures; what the judge is unsure of counts as wrong.

    changed: the attribute named is as asked. kept: of the others, those as before. whole: pictures with all right.
    """

    changed: float
    kept: float
    whole: float


def changed(edit: Edit) -> set[str]:
    """The attributes that an edit changes."""
    return {name for name in edit.before._fields if getattr(edit.before, name) != getattr(edit.after, name)}


def score(wanted: Sequence[Edit], pictures: Sequence[Picture]) -> Score:
    """What pictures show, against the scenes after the edits."""
    named, others, whole = [], [], []
    for edit, seen in zip(wanted, look(pictures), strict=True):
        hits = {name: hit is True for name, hit in obedience(seen, edit.after).items() if name != "legs"}
        asked = changed(edit)
        named += [hit for name, hit in hits.items() if name in asked]
        others.append(float(np.mean([hit for name, hit in hits.items() if name not in asked])))
        whole.append(all(hits.values()))
    return Score(float(np.mean(named)), float(np.mean(others)), float(np.mean(whole)))


def readable(wanted: Sequence[Edit]) -> list[Edit]:
    """Those whose picture after, as the world draws it, the judge reads right in all: where a LoRA can be all right."""
    return [edit for edit in wanted if score([edit], [render(edit.after, PIXELS)]).whole == 1]


def drawn(
    family: Family,
    models: Models,
    wanted: Sequence[Edit],
    shown: Sequence[Picture | None],
    guidance: float | None = None,
) -> list[Picture]:
    """What the pipeline makes of each instruction and the picture it is shown (None: no picture)."""
    control = [[Image.fromarray(each)] if each is not None else [] for each in shown]
    prompts, seeds = [edit.instruction for edit in wanted], list(range(len(wanted)))
    images = family.sample(models, prompts, seeds, control=control, guidance=guidance)
    return [np.asarray(image.convert("RGB")) for image in images]


def measure(
    lora: Path, wanted: Sequence[Edit], folder: Path, guidance: float | None = None
) -> tuple[dict[str, Score], list[Picture]]:
    """Scores by what was shown to which model, and the pictures of the first pairs, row by row."""
    family, models = load_folder(folder)
    models.pipeline.load_lora_weights(str(lora))
    before, after = ([render(scene, PIXELS) for scene in side] for side in zip(*[(e.before, e.after) for e in wanted]))
    another = [*before[1:], *before[:1]]
    with strength(models, 0.0):
        base = drawn(family, models, wanted, before, guidance)
    rows = {
        "base model, the picture before": base,
        "LoRA, the picture before": drawn(family, models, wanted, before, guidance),
        "LoRA, another picture": drawn(family, models, wanted, another, guidance),
        "LoRA, no picture": drawn(family, models, wanted, [None] * len(wanted), guidance),
    }
    scores = {name: score(wanted, pictures) for name, pictures in rows.items()}
    lines = (before, after, rows["LoRA, the picture before"], another, rows["LoRA, another picture"], base)
    return scores | {"the picture after, drawn by the world": score(wanted, after)}, [
        picture for line in lines for picture in line[:SHOWN]
    ]


def as_table(scores: dict[str, Score], number: int) -> str:
    """Scores as a Markdown table."""
    rows = [f"| {number} unseen pairs | changed as asked | kept as before | all right |", "|---|--:|--:|--:|"]
    rows += [f"| {name} | {s.changed:.0%} | {s.kept:.0%} | {s.whole:.0%} |" for name, s in scores.items()]
    return "\n".join(rows)


def _pairs(options: argparse.Namespace) -> None:
    """The pairs that are learned from, and a config beside them."""
    from lora_doctor.train.toml import toml_value

    work: Path = options.work
    write_pairs(work / "pairs", edits(LEARNED, options.number, options.kinds), edge=PIXELS)
    paths = {
        "output": work / "run",
        "model": micro_klein(),
        "target": work / "pairs" / "target",
        "control": work / "pairs" / "control",
    }
    named = {name: toml_value(str(path.absolute())) for name, path in paths.items()}
    (work / "run.toml").write_text(CONFIG.format(**named, steps=options.steps), encoding="utf-8")
    print(work / "run.toml")


def _measure(options: argparse.Namespace) -> None:
    """Prints the table; leaves a sheet of pictures beside the LoRA, or where it is asked for."""
    torch.set_num_threads(options.threads)
    wanted = edits(UNSEEN, options.number * (2 if options.readable else 1), options.kinds)
    wanted = readable(wanted)[: options.number] if options.readable else wanted
    scores, pictures = measure(options.lora, wanted, options.model, options.guidance)
    print(as_table(scores, len(wanted)))
    write(str(options.sheet or options.lora / "edits.png"), sheet(pictures, SHOWN))


def main() -> None:
    """`pairs` or `measure`."""
    parser = argparse.ArgumentParser(prog="python -m lora_doctor.lab.edited", description=__doc__)
    commands = parser.add_subparsers(required=True)
    pairs, judged = commands.add_parser("pairs"), commands.add_parser("measure")
    for each in (pairs, judged):
        each.add_argument("--kinds", nargs="+", choices=list(KINDS), default=["background"])
    pairs.add_argument("work", type=Path)
    pairs.add_argument("--number", type=int, default=200)
    pairs.add_argument("--steps", type=int, default=600)
    pairs.set_defaults(run=_pairs)
    judged.add_argument("lora", type=Path)
    judged.add_argument("--number", type=int, default=48)
    judged.add_argument("--readable", action="store_true", help="of twice as many, those that the judge reads right")
    judged.add_argument("--guidance", type=float, help="unset: what the model recommends")
    judged.add_argument("--model", type=Path, default=micro_klein())
    judged.add_argument("--sheet", type=Path)
    judged.add_argument("--threads", type=int, default=1)
    judged.set_defaults(run=_measure)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
