"""What generic linters say of configs that lose a night, beside lora-doctor, on the same files in one run.

    pip install yamllint taplo && python benchmarks/generic_linters.py

Every example in the rules that fires (`flagged` fences) and has an error or a warning is written out and checked by
each tool that reads its syntax. Style remarks are left out: yamllint runs with its `relaxed` preset and only its errors
count, taplo checks syntax. JSON is checked by `python -m json.tool`, shell by `bash -n`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from lora_doctor.examples import Example, examples, lay_out
from lora_doctor.lint import lint_file
from lora_doctor.rule import all_rules

SYNTAXES = ("toml", "yaml", "json", "shell")


def script(name: str) -> str:
    """A console script of this Python's environment, or one on the PATH."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        raise SystemExit(f"{name} is not installed: pip install {name}")
    return found


def generic(path: Path, syntax: str) -> bool:
    """Whether the generic tool for this syntax finds the file at fault."""
    commands = {
        "yaml": [script("yamllint"), "-d", "relaxed", "--no-warnings", str(path)],
        "toml": [script("taplo"), "lint", str(path)],
        "json": [sys.executable, "-m", "json.tool", str(path)],
        "shell": ["bash", "-n", str(path)],
    }
    return subprocess.run(commands[syntax], capture_output=True, check=False).returncode != 0


def ours(path: Path) -> bool:
    """Whether lora-doctor has an error or a warning."""
    return any(found.level in ("error", "warning") for found in lint_file(path).found)


def bad_examples() -> list[Example]:
    """The examples that fire, of rules that are errors or warnings."""
    rules = [rule for rule in all_rules() if rule.level != "note" and rule.fact == "Plan"]
    return [e for rule in rules for e in examples(rule) if e.flagged and e.syntax in SYNTAXES]


def main() -> None:
    counts = {syntax: [0, 0, 0] for syntax in SYNTAXES}
    for example in bad_examples():
        with tempfile.TemporaryDirectory() as folder:
            path = lay_out(example, Path(folder))
            row = counts[example.syntax]
            row[0] += 1
            row[1] += ours(path)
            row[2] += generic(path, example.syntax)
    tools = {"toml": "taplo lint", "yaml": "yamllint -d relaxed", "json": "json.tool", "shell": "bash -n"}
    print(f"{'syntax':<8}{'configs at fault':>18}{'lora-doctor':>14}   generic tool")
    for syntax, (total, found, other) in counts.items():
        print(f"{syntax:<8}{total:>18}{found:>14}   {other} ({tools[syntax]})")


if __name__ == "__main__":
    main()
