"""A folder becomes a `Run`: whose it is, what each file is of, the config beside it, and what is missing."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol

from lora_doctor.derived import effective_batch, total_steps
from lora_doctor.plan import Plan
from lora_doctor.runs.checkpoints import read_checkpoints, steps_per_epoch
from lora_doctor.runs.config import plan_beside, plan_of, with_dataset
from lora_doctor.runs.facts import Aside, Checkpoint, Curve, Files, Layout, Run, Sample
from lora_doctor.runs.gaps import gaps_of
from lora_doctor.runs.logs import read_logs
from lora_doctor.runs.native import status
from lora_doctor.runs.walk import list_files
from lora_doctor.source.document import SourceError

# In the order in which equal claims are settled.
MODULES = ("native", "ai_toolkit", "onetrainer", "diffusion_pipe", "simpletuner", "kohya", "diffusers")
KOHYA = ("sd-scripts", "kohya_ss", "musubi-tuner")  # trainers with one and the same layout
ANOTHER = "another run's checkpoints: move them to a folder of their own to diagnose them"
RECENT = 600.0  # seconds since the last write in which a run that has not reached its end counts as running


class Trainer(Protocol):
    """What a trainer's module offers."""

    TRAINER: str

    def speaks(self, files: Files) -> int:
        """How sure its names make it; 0: no file is this trainer's."""

    def read(self, files: Files) -> Layout:
        """What the names say."""


class NothingYetError(SourceError):
    """A folder without a checkpoint or a sample that can be read."""


def read_run(
    folder: Path,
    *,
    config: Path | None = None,
    dataset: Path | None = None,
    but: Collection[str] = (),
) -> Run:
    """Everything that names, headers and logs tell about a run folder. No image is opened, no weights are read.

    but: names of files that are left out, as they are being written.

    Raises:
        SourceError: it is no folder, or the given config or dataset can't be read.
        NothingYetError: nothing in it belongs to a run.
    """
    files = list_files(folder)
    files = files._replace(names=tuple(name for name in files.names if name not in but))
    module = recognise(files)
    layout = module.read(files)
    checkpoints, aside = read_checkpoints(files, layout.checkpoints)
    if not checkpoints and not layout.samples:
        raise NothingYetError(nothing(folder, aside))
    trainer = module.TRAINER
    plan = plan_of(config) if config else plan_beside(files, layout.configs, KOHYA if trainer in KOHYA else (trainer,))
    if plan is not None and (trainer in KOHYA or not trainer or config):
        trainer = plan.trainer
    elif trainer in KOHYA and _musubi(checkpoints):
        trainer = "musubi-tuner"
    if dataset is not None:
        plan = with_dataset(plan, dataset, trainer)
    curves, unread = read_logs(files, layout.logs)
    curves = _in_steps(curves, plan)
    aside += [*unread, *_strangers(files, layout), *(Aside(name, ANOTHER) for name in layout.other_runs)]
    run = Run(folder, trainer, tuple(checkpoints), layout.samples, tuple(curves), plan, aside=tuple(aside))
    run = _told(_on_one_axis(_final(run)))
    return run._replace(gaps=gaps_of(run), running=_running(run))


def _strangers(files: Files, layout: Layout) -> list[Aside]:
    """Weights that lie beside the checkpoints under a name that is none of theirs."""
    known = {each.path for each in layout.checkpoints}
    loose = [name for name in files.names if "/" not in name and name.endswith(".safetensors")]
    others = [
        name for name in loose if files.path(name) not in known and not name.startswith(layout.other_runs or ("/",))
    ]
    return [Aside(name, "has no name of this run's checkpoints") for name in others]


def _in_steps(curves: list[Curve], plan: Plan | None) -> list[Curve]:
    """diffusion-pipe can log by examples seen: as many to a step as the batch has."""
    if plan is None or plan.trainer != "diffusion-pipe" or plan.get("x_axis_examples").value is not True:
        return curves
    batch = effective_batch(plan)
    if not batch:
        return []
    return [curve._replace(steps=tuple(step // batch for step in curve.steps)) for curve in curves]


def nothing(folder: Path, aside: Sequence[Aside]) -> str:
    """Why a folder can't be diagnosed."""
    if aside:
        return f"{folder} holds no LoRA that can be read: {aside[0].name} {aside[0].why}"
    return f"{folder} holds neither LoRA checkpoints nor sample images of a trainer lora-doctor knows"


def recognise(files: Files) -> Trainer:
    """The module whose names the folder's are; the plain one where no trainer's are."""
    modules = [_module(name) for name in MODULES]
    claims = [module.speaks(files) for module in modules]
    best = max(claims)
    return modules[claims.index(best)] if best else _module("plain")


def _module(name: str) -> Trainer:
    module: Trainer = import_module(f"lora_doctor.runs.{name}")
    return module


def _musubi(checkpoints: Iterable[Checkpoint]) -> bool:
    """musubi's networks are called after their models, sd-scripts' after their method."""
    for each in checkpoints:
        metadata = each.adapter.file.metadata if each.adapter else {}
        base = metadata.get("ss_base_model_version", "").lower()
        if "ss_network_module" in metadata:
            return base.startswith(("flux_2", "flux2", "wan", "hunyuan", "framepack", "qwen", "kandinsky", "zimage"))
    return False


def _final(run: Run) -> Run:
    """The file written at the end, at the last step that the log or, without one, the plan tells."""
    told = last_step(run.curves) or (total_steps(run.plan) if run.plan else None)
    known = max((each.step for each in run.dated if each.step is not None), default=0)
    if not told or told < known:
        return run
    return run._replace(
        checkpoints=tuple(
            each._replace(step=round(told)) if each.final and each.step is None and each.epoch is None else each
            for each in run.checkpoints
        )
    )


def _on_one_axis(run: Run) -> Run:
    """Epochs become steps where a file says how long an epoch is; else all is counted in epochs."""
    if all(each.step is not None or each.epoch is None for each in run.dated):
        return _ordered(run)
    length = steps_per_epoch(run)
    if length is None and any(each.epoch is None and each.step is not None for each in run.dated):
        return _ordered(run)  # both kinds, and nothing that joins them: what has a step counts
    factor = length or 1.0

    def placed(step: int | None, epoch: int | None) -> int | None:
        return step if step is not None and length else None if epoch is None else round(epoch * factor)

    return _ordered(
        run._replace(
            axis="step" if length else "epoch",
            checkpoints=tuple(each._replace(step=placed(each.step, each.epoch)) for each in run.checkpoints),
            samples=tuple(each._replace(step=placed(each.step, each.epoch)) for each in run.samples),
        )
    )


def _ordered(run: Run) -> Run:
    """By step; files without one come last. Of two files of one step the numbered one counts."""
    checkpoints = sorted(run.checkpoints, key=lambda c: (c.step is None, c.step or 0, c.final))
    kept: list[Checkpoint] = []
    twice: list[Aside] = []
    for each in checkpoints:
        if kept and each.step is not None and kept[-1].step == each.step:
            twice.append(Aside(_name(run.folder, each.path), f"is of step {each.step:,} too, as {kept[-1].path.name}"))
        else:
            kept.append(each)
    samples = sorted(run.samples, key=lambda s: (s.step is None, s.step or 0, s.slot.zfill(6), s.path.name))
    return run._replace(checkpoints=tuple(kept), samples=tuple(samples), aside=(*run.aside, *twice))


def _name(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _told(run: Run) -> Run:
    """Samples with the prompts and seeds of the plan, where their names only say the place in its list."""
    if run.plan is None:
        return run
    validation = run.plan.validation
    prompts = validation.prompts.value if isinstance(validation.prompts.value, list) else []
    fixed = validation.seed.value if not validation.walk_seed.value else None
    seed = fixed if isinstance(fixed, int) and fixed >= 0 else None

    def told(sample: Sample) -> Sample:
        if not sample.slot.isdigit():
            return sample
        slot = int(sample.slot)
        prompt = str(prompts[slot]) if slot < len(prompts) else ""
        return sample._replace(prompt=prompt or sample.prompt, seed=seed if sample.seed is None else sample.seed)

    return run._replace(samples=tuple(told(sample) for sample in run.samples))


def last_step(curves: Iterable[Curve]) -> int | None:
    """The last step any log has a row of."""
    return max((curve.steps[-1] for curve in curves if curve.steps), default=None)


def _running(run: Run) -> bool:
    """Whether the run says so, or files were written moments ago and the planned end is not reached."""
    if run.trainer == "lora-doctor":
        return status(run.folder) == "running"
    planned = total_steps(run.plan) if run.plan else None
    reached = max((*run.steps, last_step(run.curves) or 0), default=0)
    if planned is None or run.axis != "step" or reached >= planned - 1:
        return False
    newest = [each.path for each in run.checkpoints[-2:]] + [each.path for each in run.samples[-20:]]
    return any(time.time() - path.stat().st_mtime < RECENT for path in newest if path.exists())
