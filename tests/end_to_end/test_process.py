"""What only a process of its own can show: imports, signals, pipes, terminals."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .process import PLAIN, call, command

FIXTURES = Path(__file__).parents[2] / "fixtures" / "lint"
RULES = "--select=never-saves,misspelt-key"
HEAVY = ["torch", "numpy", "cv2", "PIL", "scipy", "pydantic", "rich", "jinja2", "dataclasses", "asyncio"]
HEAVY += ["importlib.metadata", "pathspec", "subprocess"]


def test_a_lint_imports_nothing_heavy_and_nothing_of_other_commands() -> None:
    code = (
        "import sys; from lora_doctor.cli import run\n"
        "assert run(['lint', '--isolated', *sys.argv[1:]]) == 1\n"
        "print(*sorted(sys.modules), file=sys.stderr)"
    )
    files = [str(path) for path in sorted(FIXTURES.iterdir()) if path.is_file()]
    ran = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True, check=True)
    loaded = set(ran.stderr.split())
    assert "tree_sitter_toml" in loaded, "the lint did not run"
    assert not loaded & set(HEAVY)
    others = {"explain", "rules", "plan", "schema"} & {name.removeprefix("lora_doctor.cli.") for name in loaded}
    assert not others & {name for name in others if f"lora_doctor.cli.{name}" in loaded}
    assert not {"lora_doctor.fixing", "lora_doctor.report.json", "lora_doctor.report.sarif"} & loaded


def test_version_imports_no_linter() -> None:
    code = "import sys; from lora_doctor.cli import run; run(['--version']); print(*sys.modules, file=sys.stderr)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {name for name in ran.stderr.split() if name.startswith(("lora_doctor.lint", "yaml", "tree_sitter"))}


def test_a_closed_pipe_is_quiet(tmp_path: Path) -> None:
    config = 'dataset = "d.toml"\nepochs = 1\n[model]\ntype = "sdxl"\n' + "".join(f"key_{i} = 1\n" for i in range(5000))
    (tmp_path / "a.toml").write_text(config)
    lint = subprocess.Popen(
        command("lint", "a.toml"), cwd=tmp_path, env=PLAIN, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert lint.stdout
    assert lint.stderr
    assert lint.stdout.readline().startswith(b"a.toml:1:")
    lint.stdout.close()
    assert lint.stderr.read() == b""
    lint.stderr.close()
    assert lint.wait(60) not in (0, 2)


def test_ctrl_c_is_quiet(tmp_path: Path) -> None:
    lint = subprocess.Popen(
        command("lint", "-"), cwd=tmp_path, env=PLAIN, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    time.sleep(1.0)  # long enough to be waiting for its input
    lint.send_signal(signal.SIGINT)
    _, err = lint.communicate(timeout=60)
    assert (lint.returncode, err.strip()) == (130, b"")


def test_a_terminal_gets_colours_and_its_width(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    subprocess.run(
        command("lint", "--isolated", RULES, "train.toml"), cwd=FIXTURES, env=PLAIN | {"TERM": "xterm"}, stdout=theirs,
        check=False,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 65536)
        except OSError:
            break
    os.close(ours)
    assert b"\x1b[1;31merror[never-saves]\x1b[0m" in shown


@pytest.mark.parametrize("variables", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_an_output_that_cannot_say_everything(variables: dict[str, str]) -> None:
    ran = call("lint", "--isolated", RULES, "train.toml", "dataset.toml", cwd=FIXTURES, **variables)
    assert ran.returncode == 1
    assert ran.stderr == ""


def test_a_deleted_working_folder(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code = f"cd {gone} && rmdir {gone} && {' '.join(command('lint', 'a.toml'))}"
    ran = subprocess.run(["sh", "-c", code], capture_output=True, text=True, env=PLAIN, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "Traceback" not in ran.stderr


def test_python_m(tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-m", "lora_doctor", "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("lora-doctor ")
