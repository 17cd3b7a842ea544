"""What `lora-doctor dataset fix` does: plan, write the copy, say what was done."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

import click

from lora_doctor.cli.output import put
from lora_doctor.dataset.arrays import need
from lora_doctor.dataset.exam import exam
from lora_doctor.dataset.given import Given, given_plan
from lora_doctor.mend import Step, check_target, steps, write_copy
from lora_doctor.report import many
from lora_doctor.report.terminal import printable
from lora_doctor.source.document import SourceError


class Request(NamedTuple):
    """The command line."""

    folder: str
    output: str
    caption_extension: str | None
    dry_run: bool
    as_json: bool


def run(request: Request) -> int:
    """Mend a copy; returns the exit code."""
    extension = request.caption_extension
    if extension is not None:
        extension = extension if extension.startswith(".") else f".{extension}"
        if not re.fullmatch(r"\.\w+", extension):
            raise click.UsageError(f"`{request.caption_extension}` is no suffix")
    need()
    folder, target = Path(request.folder), Path(request.output)
    check_target(folder, target)
    plan = given_plan(folder, Given())
    sets = exam(plan)
    if not sets:
        raise SourceError(f"no images in {folder}")
    planned = steps(sets[0], extension=extension)
    if not request.dry_run:
        write_copy(folder, target, planned)
    put(_as_json(request, planned) if request.as_json else _as_text(request, planned), None)
    return 0


def _as_text(request: Request, planned: list[Step]) -> str:
    changed = [step for step in planned if step.done]
    lines = [f"{printable(step.source)}: {printable('; '.join(step.done))}" for step in changed]
    left = sum(step.target is None for step in planned)
    verb = "would be written" if request.dry_run else "written"
    lines.append(
        f"{many(len(planned) - left, 'file')} {verb} to {printable(request.output)}, {len(changed) - left} mended, "
        f"{left} left out; {printable(request.folder)} was not touched"
    )
    return "".join(f"{line}\n" for line in lines)


def _as_json(request: Request, planned: list[Step]) -> str:
    files = [{"source": step.source, "target": step.target, "done": list(step.done)} for step in planned]
    whole = {"folder": request.folder, "output": request.output, "written": not request.dry_run, "files": files}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
