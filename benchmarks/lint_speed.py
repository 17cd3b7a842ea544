"""How fast a lint starts and how fast it goes on, beside yamllint, as a pre-commit hook meets both.

    python benchmarks/lint_speed.py [--runs 15] [--files 1000]

CPU time (user + system) of child processes, the smallest of several interleaved runs: what a quiet machine would show.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "fixtures" / "configs" / "ai-toolkit" / "klein_4b_subject.yaml"
TARGET_RATIO = 1.5  # one file, against yamllint
TARGET_MS = 12.0  # per file, in one call with many
# Compiled modules are kept, as wherever a hook was installed.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def script(name: str) -> str:
    """A console script of this Python's environment."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        raise SystemExit(f"{name} is not installed beside {sys.executable}: pip install '.[test]'")
    return str(path)


def cpu_ms(command: list[str], cwd: Path) -> float:
    """CPU milliseconds of one child process."""
    child = subprocess.Popen(command, cwd=cwd, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command[:3])} ended with {child.returncode}")
    return (usage.ru_utime + usage.ru_stime) * 1000


def smallest(commands: dict[str, list[str]], cwd: Path, runs: int) -> dict[str, float]:
    """The smallest of several runs of each command, in turns, so that load from outside meets all alike."""
    for command in commands.values():
        cpu_ms(command, cwd)  # compiles what was not compiled yet
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            times[name].append(cpu_ms(command, cwd))
    return {name: min(values) for name, values in times.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--files", type=int, default=1000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "job.yaml").write_bytes(CONFIG.read_bytes())
        many = [f"job_{i}.yaml" for i in range(args.files)]
        for file in many:
            (folder / file).write_bytes(CONFIG.read_bytes())
        doctor, peer = [script("lora-doctor"), "lint"], [script("yamllint")]
        one = smallest(
            {
                "python -c pass": [sys.executable, "-c", "pass"],
                "yamllint": [*peer, "job.yaml"],
                "lora-doctor": [*doctor, "job.yaml"],
            },
            folder,
            args.runs,
        )
        lot = smallest({"yamllint": [*peer, *many], "lora-doctor": [*doctor, *many]}, folder, max(1, args.runs // 8))
    print(f"one YAML file of {len(CONFIG.read_bytes().splitlines())} lines, CPU ms (smallest of {args.runs} runs)")
    for name, value in one.items():
        print(f"  {name:<16} {value:7.1f}   {value / one['yamllint']:5.2f} x yamllint")
    print(f"{args.files} files in one call, CPU ms for each")
    for name, value in lot.items():
        print(f"  {name:<16} {value / args.files:7.2f}   {value / lot['yamllint']:5.2f} x yamllint")
    print(f"targets: {TARGET_RATIO} x yamllint for one file, {TARGET_MS:g} ms each for many")


if __name__ == "__main__":
    main()
