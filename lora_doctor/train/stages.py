"""A stage's plan in the keys of one run: where it writes, and which LoRA it builds on. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lora_doctor.dialects.native_stages import stage_named
from lora_doctor.plan import Plan, Stage
from lora_doctor.source.document import SourceError
from lora_doctor.train.companions import digest, file_of, needs
from lora_doctor.train.folder import RunFolder, read_rows, step_name

FIELDS = {"continue": "adapter.start_from", "stack": "adapter.stack_on", "merge": "adapter.merge"}


class Built(NamedTuple):
    """A value of a native key, and why it is this one."""

    value: Any
    reason: str


def values_of(plan: Plan, told: Mapping[str, Any]) -> dict[str, Built]:
    """What follows from a plan's being a stage.

    Raises:
        SourceError: what it builds on is not there yet.
    """
    stage = plan.stage
    if stage is None:
        return {}
    found = {"output": Built(str(folder_of(stage, told)), f"stage {stage.name}")}
    build = stage.build.value or "fresh"
    if build not in FIELDS:
        return found
    path, reason = _below(plan, stage, told)
    below = _needed(path)
    key = FIELDS[build]
    if build == "continue":
        found[key] = Built(str(path), reason)
        key = "adapter.stack_on"
    else:
        below = [*below, path]
    there = _own(plan)
    known = {digest(file_of(each)) for each in there if each.exists()}
    fresh = [str(each) for each in below if digest(file_of(each)) not in known]
    if fresh:
        own = plan.get(key).value or []
        found[key] = Built([*([own] if isinstance(own, str) else own), *fresh], reason)
    return found


def _own(plan: Plan) -> list[Path]:
    """What the config itself puts beneath."""
    values = [plan.get(key).value or [] for key in ("adapter.stack_on", "adapter.merge")]
    return [Path(each).expanduser() for value in values for each in ([value] if isinstance(value, str) else value)]


def folder_of(stage: Stage, told: Mapping[str, Any]) -> Path:
    """The stage's run folder; `--output` says where all stages' lie."""
    if told.get("output"):
        return Path(told["output"]).expanduser().absolute() / stage.name
    if not stage.folder.value:
        raise SourceError("which run folder? `output` in the config, or --output DIR")
    return Path(stage.folder.value).expanduser().absolute()


def _below(plan: Plan, stage: Stage, told: Mapping[str, Any]) -> tuple[Path, str]:
    """The LoRA that a stage builds on, and in words which one it is."""
    earlier = stage_named(stage.before, stage.on)
    if earlier is not None:
        step, why = _checkpoint(RunFolder(folder_of(earlier, told)), earlier.name, stage.name)
        return RunFolder(folder_of(earlier, told)).checkpoint(step), f"stage {earlier.name}, {step_name(step)}, {why}"
    if not stage.on.value:
        key = f"stage.{stage.name}.on"
        raise SourceError(f"stage {stage.name} has none before it to build on: name a LoRA's file in `{key}`")
    path = Path(stage.on.value).expanduser().absolute()
    if not path.exists():
        names = ", ".join(each.name for each in stage.before) or "none"
        raise SourceError(f"{stage.on.key} = {stage.on.value!r} is no earlier stage ({names}), and no LoRA's file")
    return path, f"stage {stage.name}"


def _checkpoint(folder: RunFolder, name: str, asking: str) -> tuple[int, str]:
    """The checkpoint of an earlier stage: the one its own run found best, else its newest."""
    steps = folder.steps()
    if not steps:
        raise SourceError(f"stage {asking} builds on {name}, which has no checkpoint in {folder.root}: "
                          f"--stage {name} trains it")  # fmt: skip
    verdicts = [row for row in read_rows(folder.monitors) if row.get("monitor") == "window"]
    if verdicts and verdicts[-1].get("verdict") == "found" and verdicts[-1].get("pick") in steps:
        return int(verdicts[-1]["pick"]), "which that run found best"
    return steps[-1], "the newest"


def _needed(path: Path) -> list[Path]:
    """Files that a LoRA must be loaded with, as its run kept them.

    Raises:
        SourceError: they are not beside it.
    """
    file, found = file_of(path), []
    for needed in needs(path):
        copy = file.parents[2] / "with" / needed.file if len(file.parents) > 2 else file
        if not copy.is_file() or digest(copy) != needed.sha256:
            raise SourceError(f"{path} was trained on top of {needed.file}, which is not in {copy.parent}: name both "
                              "in `adapter.stack_on`")  # fmt: skip
        found.append(copy)
    return found
