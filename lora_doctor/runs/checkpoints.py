"""Checkpoints by their headers: which belong to one another, which are broken, and the step that a header tells."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from lora_doctor.adapter.facts import Adapter, examine
from lora_doctor.adapter.read import AdapterError
from lora_doctor.derived import effective_batch, samples_per_epoch
from lora_doctor.runs.facts import Aside, Checkpoint, Files, Run


def read_checkpoints(files: Files, found: Iterable[Checkpoint]) -> tuple[list[Checkpoint], list[Aside]]:
    """Those that are LoRAs of one and the same model, with the step their metadata tells; the others set aside."""
    read: list[Checkpoint] = []
    aside: list[Aside] = []
    for each in found:
        name = each.path.relative_to(files.root).as_posix()
        try:
            adapter = examine(each.path)
        except AdapterError as error:
            aside.append(Aside(name, error.sentence.removeprefix(f"{each.path.name} ")))
            continue
        step, epoch = told(adapter.file.metadata)
        read.append(
            each._replace(
                step=step if each.step is None else each.step,
                epoch=epoch if each.epoch is None else each.epoch,
                adapter=adapter,
            )
        )
    kept, others = _of_one_model(read)
    aside += [Aside(each.path.relative_to(files.root).as_posix(), why) for each, why in others]
    return kept, aside


def _of_one_model(read: Sequence[Checkpoint]) -> tuple[list[Checkpoint], list[tuple[Checkpoint, str]]]:
    """The files with the layers that most have; of the others, why they are no checkpoints of this run."""
    shapes = {each.path: _shape(each.adapter) for each in read if each.adapter}
    if len(set(shapes.values())) < 2:
        return list(read), []
    usual, count = Counter(shapes.values()).most_common(1)[0]
    kept = [each for each in read if shapes.get(each.path) == usual]
    label = kept[0].adapter.label if kept[0].adapter else ""
    others = []
    for each in read:
        if shapes.get(each.path) != usual and each.adapter:
            own = each.adapter.label
            what = f"of {own or 'another model'}" if own != label else "with other layers or ranks"
            others.append((each, f"is a LoRA {what}, unlike {count} of the files here"))
    return kept, others


def _shape(adapter: Adapter | None) -> int:
    """Equal for checkpoints of one run: names and sizes of all layers."""
    layers = adapter.layers if adapter else ()
    return hash(frozenset((each.part, each.name, each.kind, each.inputs, each.outputs, each.rank) for each in layers))


def told(metadata: dict[str, str]) -> tuple[int | None, int | None]:
    """Step and epoch that a file's metadata names (ai-toolkit, sd-scripts and musubi, SimpleTuner)."""
    info = _table(metadata.get("training_info", ""))
    step = _number(info.get("step")) or _number(metadata.get("ss_steps")) or _number(metadata.get("global_step"))
    return step, _number(info.get("epoch")) or _number(metadata.get("ss_epoch"))


def _table(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _number(value: Any) -> int | None:
    try:
        return int(value) or None
    except (TypeError, ValueError):
        return None


def steps_per_epoch(run: Run) -> float | None:
    """From files that know both numbers, else from the plan; None where neither tells."""
    known = [each.step / each.epoch for each in run.dated if each.step and each.epoch]
    if known:
        return median(known)
    samples, batch = (samples_per_epoch(run.plan), effective_batch(run.plan)) if run.plan else (None, None)
    return samples / batch if samples and batch else None
