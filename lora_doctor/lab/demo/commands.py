"""Commands of lora-doctor as the demo runs them: the installed program, its answer for programs, its exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from lora_doctor.source.document import SourceError


class Ran(NamedTuple):
    """A command as one types it, its findings (as `--format json` gives them), and its exit code."""

    command: str
    findings: tuple[dict[str, Any], ...]
    code: int


def run(folder: Path, *arguments: str, hidden: tuple[str, ...] = ()) -> Ran:
    """Runs `lora-doctor ARGUMENTS` in a folder; `hidden` are arguments that only a program needs.

    Raises:
        SourceError: it could not work.
    """
    line = [sys.executable, "-m", "lora_doctor", *arguments, *hidden]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        said = (done.stderr.strip().splitlines() or ["no word"])[-1].removeprefix("lora-doctor: ")
        raise SourceError(f"`lora-doctor {' '.join(arguments)}` failed in the demo: {said}")
    findings = tuple(json.loads(done.stdout)["findings"]) if hidden else ()
    return Ran(f"lora-doctor {' '.join(arguments)}", findings, done.returncode)
