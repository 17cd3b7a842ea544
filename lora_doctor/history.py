"""What the learning rate was before: in the last committed version of the file, and in the run being resumed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from lora_doctor.dialects import Dialect, recognise
from lora_doctor.dialects.reader import Reader
from lora_doctor.plan import Plan
from lora_doctor.source.document import Document, SourceError
from lora_doctor.source.paths import relative
from lora_doctor.source.read import read_file, read_text

CONFIGS = (".toml", ".yaml", ".yml", ".json")
MAX_CONFIGS = 8  # a run folder holds one or two; a folder with more is not a run


class RateChange(NamedTuple):
    """The same run with another learning rate. `since` names the version compared with."""

    plan: Plan
    before: float
    since: str


def rate_changes(
    document: Document, plans: tuple[Plan, ...], dialect: Dialect, against: str | None
) -> list[RateChange]:
    """Every plan whose written rate differs from the committed version (`against`) or from the run it resumes."""
    changes: list[RateChange] = []
    if against:
        earlier = committed(document, dialect, against)
        changes += [c for now, then in zip(plans, earlier) if (c := _compare(now, then, f"version {against}"))]
    for plan in plans:
        resumed = _resumed(plan, document)
        if resumed is not None:
            changes.append(resumed)
    return changes


def _compare(now: Plan, then: Plan, since: str) -> RateChange | None:
    rate, before = now.learning_rate.value, then.learning_rate.value
    if not isinstance(rate, (int, float)) or not isinstance(before, (int, float)) or not now.learning_rate.written:
        return None
    return RateChange(now, float(before), since) if float(rate) != float(before) else None


def committed(document: Document, dialect: Dialect, revision: str) -> tuple[Plan, ...]:
    """The plans of the file as it stood in a git revision; none where it did not, or there is no git.

    Raises:
        SourceError: the revision does not exist.
    """
    import subprocess

    path = Path(document.name).absolute()
    if not path.parent.is_dir():
        return ()
    command = ["git", "-C", str(path.parent), "show", f"{revision}:./{path.name}"]
    try:
        shown = subprocess.run(command, capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    if shown.returncode:
        if b"invalid object name" in shown.stderr and revision != "HEAD":
            raise SourceError(f"git knows no revision `{revision}` to compare with")
        return ()
    try:
        return _plans(read_text(document.name, shown.stdout), dialect)
    except SourceError:
        return ()  # it was broken then: nothing to compare with


def _plans(document: Document, dialect: Dialect | None = None) -> tuple[Plan, ...]:
    known = recognise(document, dialect.TRAINER if dialect else None)
    if known is None:
        return ()
    return known[0].read(document, known[1], Reader(datasets=False))


def _resumed(plan: Plan, document: Document) -> RateChange | None:
    """The rate of the run that this one goes on from, found in what the trainer left in its folder."""
    resume = plan.saving.resume
    if not plan.training or not resume.written or resume.value in (None, False, "", "false", "none"):
        return None
    for folder in _run_folders(plan, document):
        before = _recorded_rate(folder, Path(document.name))
        rate = plan.learning_rate.value
        if before is not None and isinstance(rate, (int, float)) and plan.learning_rate.written:
            return RateChange(plan, before, f"the run in `{relative(folder)}`") if before != rate else None
    return None


def _run_folders(plan: Plan, document: Document) -> list[Path]:
    reader = Reader()
    value, name = plan.saving.resume.value, plan.saving.name.value
    found = [reader.find(value, document)] if isinstance(value, str) else []
    output = reader.find(str(plan.saving.folder.value or ""), document)
    if output is not None:
        found += [output / name if name and (output / name).is_dir() else output]
        if not isinstance(value, str):  # diffusion-pipe takes the newest folder by name
            found += sorted((p for p in output.iterdir() if p.is_dir()), reverse=True)[:1] if output.is_dir() else []
    folders = [path if path.is_dir() else path.parent for path in found if path is not None]
    return [*folders, *(folder.parent for folder in folders[:1] if isinstance(value, str))]


def _recorded_rate(folder: Path, own: Path) -> float | None:
    names = sorted(os.listdir(folder))
    configs = [folder / name for name in names if name.endswith(CONFIGS)]
    for path in configs[:MAX_CONFIGS]:
        if path.resolve() == own.resolve():
            continue
        try:
            plans = _plans(read_file(path))
        except SourceError:
            continue
        rates = [plan.learning_rate.value for plan in plans if plan.training]
        if rates and isinstance(rates[0], (int, float)):
            return float(rates[0])
    weights = [folder / name for name in names if name.endswith(".safetensors")]
    return next((rate for path in weights[-2:] if (rate := _metadata_rate(path)) is not None), None)


def _metadata_rate(path: Path) -> float | None:
    """kohya's trainers write the rate into the LoRA's metadata."""
    from lora_doctor.models.header import HeaderError, read_header

    try:
        metadata = read_header(path).metadata
        text = metadata.get("ss_unet_lr") or metadata.get("ss_learning_rate")
        return None if text in (None, "None") else float(str(text))
    except (HeaderError, ValueError, OSError):
        return None
