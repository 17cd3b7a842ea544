"""The pictures of the README, made from the real commands: `python docs/pictures.py` (needs `pip install rich`).

Each picture is what the command prints on a terminal, colours included; run it again when the output changes.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
PICTURES = {
    "lint": ["lora-doctor", "lint", "overnight.yaml"],
    "plan": ["lora-doctor", "plan", "overnight.yaml"],
    "inspect": ["lora-doctor", "inspect", "simpletuner-klein-4b-alpha-in-metadata.safetensors"],
    "explain": ["lora-doctor", "explain", "accumulated-gradients-lost"],
}
FOLDERS = {"inspect": "fixtures/adapters"}


def picture(name: str, command: list[str]) -> None:
    """Run one command and write what it prints as `docs/<name>.svg`."""
    environment = os.environ | {"FORCE_COLOR": "1", "COLUMNS": "110", "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    program = Path(sys.executable).with_name(command[0])
    run = subprocess.run(
        [str(program), *command[1:]],
        capture_output=True,
        text=True,
        env=environment,
        cwd=HERE.parent / FOLDERS.get(name, "fixtures/demo"),
    )
    console = Console(record=True, width=112, file=io.StringIO(), force_terminal=True)
    console.print(Text("$ " + " ".join(command), style="bold"))
    console.print(Text.from_ansi(run.stdout.rstrip()))
    svg = console.export_svg(title="lora-doctor", unique_id=name)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.S)  # nothing is loaded from elsewhere
    (HERE / f"{name}.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    for name, command in PICTURES.items():
        picture(name, command)
