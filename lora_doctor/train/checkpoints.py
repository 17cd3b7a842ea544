"""Checkpoints: written beside and renamed, whole or not there, and a run goes on from one bit for bit.

State is safetensors and JSON, never a pickle. Random numbers need no saving: every step draws from generators seeded
by (seed, step), and the learning rate is a function of the step.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file

from lora_doctor.source.document import SourceError
from lora_doctor.train.ema import Average
from lora_doctor.train.folder import RunFolder, step_name, step_of

TENSORS, RECORD = "state.safetensors", "state.json"
VERSION = 1


class Resumable(NamedTuple):
    """Everything that changes while training: trainable weights by name, optimiser, average, loss scaler.

    `place`: batches of the data's row that are behind; `taken`: how many a step takes, over all processes.
    starts: of a run that grows, the steps before each resolution.
    """

    weights: Mapping[str, torch.Tensor]
    optimizer: Any
    average: Average | None = None
    scaler: Any = None
    place: int = 0
    taken: int = 1
    starts: list[int] | None = None


def save(folder: RunFolder, step: int, state: Resumable, publish: Callable[[Path], None]) -> Path:
    """Write the checkpoint of `step`; `publish(folder)` writes the LoRA files into it.

    Raises:
        SourceError: it can't be written (a full disk, no permission); nothing of it is left.
    """
    final, part = folder.checkpoint(step), folder.checkpoints / f".{step_name(step)}.partial"
    if final.exists():
        return final  # a whole one of this very step
    try:
        shutil.rmtree(part, ignore_errors=True)
        (part / "state").mkdir(parents=True)
        publish(part)
        _write_state(part / "state", step, state)
        _sync(part)
        os.rename(part, final)
        _sync_folder(folder.checkpoints)
    except Exception as error:
        shutil.rmtree(part, ignore_errors=True)
        if not _is_trouble(error):
            raise
        raise SourceError(_sentence(folder, step, error)) from None
    return final


def _is_trouble(error: Exception) -> bool:
    """Whether the machine refused to write; safetensors has an exception type of its own for that."""
    return isinstance(error, (OSError, SourceError)) or type(error).__name__ == "SafetensorError"


def _sentence(folder: RunFolder, step: int, error: Exception) -> str:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    why = why.removeprefix("can't be written: ")
    steps = [each for each in folder.steps() if each != step]
    last = f"the last good one is {step_name(steps[-1])}" if steps else "there is none yet"
    free = shutil.disk_usage(_existing(folder.root)).free / 1e6
    return (
        f"the checkpoint of step {step} can't be written to {folder.checkpoints}: {why.lower()} ({free:,.0f} MB free); "
        f"{last}: make room, then `lora-doctor train {folder.config} --resume`"
    )


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _write_state(folder: Path, step: int, state: Resumable) -> None:
    tensors: dict[str, torch.Tensor] = {}
    record = {
        "version": VERSION,
        "step": step,
        "place": state.place,
        "taken": state.taken,
        "kind": _kind(state.optimizer),
        "weights": _parted(dict(state.weights), "weights", tensors),
        "optimizer": _parted(state.optimizer.state_dict(), "optimizer", tensors),
        "average": None if state.average is None else _parted(state.average.weights, "average", tensors),
        "scaler": None if state.scaler is None else state.scaler.state_dict(),
        "starts": state.starts,
    }
    save_file(tensors, folder / TENSORS)
    (folder / RECORD).write_text(json.dumps(record), encoding="utf-8")


def _parted(value: Any, key: str, tensors: dict[str, torch.Tensor]) -> Any:
    """A nested state as JSON, its tensors put aside under their path."""
    if isinstance(value, torch.Tensor):
        tensors[key] = value.detach().cpu().contiguous().clone()
        return {"tensor": key}
    if isinstance(value, dict):
        return {"dict": [[name, _parted(each, f"{key}.{name}", tensors)] for name, each in value.items()]}
    if isinstance(value, (list, tuple)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_parted(each, f"{key}.{i}", tensors) for i, each in enumerate(value)]}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{key} is a {type(value).__name__}, which no checkpoint can hold")


def _joined(value: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    """What `_parted` took apart."""
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {name: _joined(each, tensors) for name, each in content}
    items = [_joined(each, tensors) for each in content]
    return tuple(items) if kind == "tuple" else items


def restore(path: Path, state: Resumable) -> int:
    """Load a checkpoint into a run that was built from the same job; returns its step.

    Raises:
        SourceError: the checkpoint is damaged, or was written by a run with other layers.
    """
    try:
        record = json.loads((path / "state" / RECORD).read_bytes())
        tensors = load_file(path / "state" / TENSORS)
    except Exception as error:
        raise SourceError(f"{path} can't be resumed: its state is damaged or missing ({error})") from None
    saved = _joined(record["weights"], tensors)
    shapes = {name: tuple(weight.shape) for name, weight in state.weights.items()}
    if shapes != {name: tuple(weight.shape) for name, weight in saved.items()}:
        raise SourceError(
            f"{path} holds an adapter of other layers or another rank ({len(saved)} weights, this run has "
            f"{len(shapes)}): resume with the settings in {path.parent.parent / 'config.toml'}"
        )
    with torch.no_grad():
        for name, weight in state.weights.items():
            weight.copy_(saved[name])
    if record["kind"] != _kind(state.optimizer):
        own = _kind(state.optimizer)
        raise SourceError(f"{path} holds the state of {record['kind']}, and this run has {own}: resume with the former")
    _restore_optimizer(_joined(record["optimizer"], tensors), state.optimizer)
    if state.average is not None and record["average"] is not None:
        for name, value in _joined(record["average"], tensors).items():
            state.average.weights[name].copy_(value)
    if state.scaler is not None and record["scaler"]:
        state.scaler.load_state_dict(record["scaler"])
    if state.starts is not None and record.get("starts"):
        _restore_starts(record["starts"], state.starts)
    return int(record["step"])


def _restore_starts(saved: list[int], starts: list[int]) -> None:
    """When each resolution began, or will; the job's own plan where it was given another number of them."""
    if len(saved) == len(starts):
        starts[:] = saved


def _kind(optimizer: Any) -> str:
    """The optimiser's class, with its library."""
    return f"{type(optimizer).__module__.partition('.')[0]} {type(optimizer).__name__}"


def _restore_optimizer(saved: dict[str, Any], optimizer: Any) -> None:
    """The optimiser's state; its rates and decays stay those of the job, which may have changed on purpose."""
    own = [{key: group[key] for key in ("lr", "initial_lr", "weight_decay")} for group in optimizer.param_groups]
    optimizer.load_state_dict(saved)
    for group, kept in zip(optimizer.param_groups, own):
        group.update(kept)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for number, parameter in enumerate(parameters):  # torch casts state to the weights' own format: undo that
        for name, value in saved["state"].get(number, {}).items():
            held = optimizer.state[parameter].get(name)
            if isinstance(value, torch.Tensor) and isinstance(held, torch.Tensor) and held.dtype != value.dtype:
                optimizer.state[parameter][name] = value.to(held.device)


def tidy(folder: RunFolder) -> None:
    """Remove what a killed run left half-written."""
    if folder.checkpoints.is_dir():
        for path in folder.checkpoints.glob(".step-*.partial"):
            shutil.rmtree(path, ignore_errors=True)


def prune(folder: RunFolder, keep: int) -> list[int]:
    """Delete all but the newest `keep` checkpoints (0: none is deleted); returns the steps that went."""
    steps = folder.steps()[:-keep] if keep > 0 else []
    for step in steps:
        shutil.rmtree(folder.checkpoint(step), ignore_errors=True)
    return steps


def newest(folder: RunFolder) -> Path | None:
    """The newest whole checkpoint that can be resumed."""
    for step in reversed(folder.steps()):
        path = folder.checkpoint(step)
        if (path / "state" / RECORD).is_file():
            return path
    return None


def step_at(path: Path) -> int:
    """The step a checkpoint's folder name says, 0 for any other name."""
    return step_of(path.name) or 0


def _sync(folder: Path) -> None:
    """Force every file below a folder to the disk, before its name says that it is whole."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            _sync_folder(path)
    _sync_folder(folder)


def _sync_folder(path: Path) -> None:
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
