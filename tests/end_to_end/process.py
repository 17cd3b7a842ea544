"""Runs `lora-doctor` as a user does: its own process, its own environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(sys.executable).with_name("lora-doctor")
PLAIN = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}


def command(*args: str | Path) -> list[str]:
    """The installed command, or the module where no script was installed."""
    head = [str(SCRIPT)] if SCRIPT.exists() else [sys.executable, "-m", "lora_doctor"]
    return [*head, *map(str, args)]


def call(*args: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """One call, its output as text."""
    return subprocess.run(
        command(*args),
        cwd=cwd,
        env=PLAIN | environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
