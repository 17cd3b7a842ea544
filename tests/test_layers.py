"""Import directions of the house, read from the source, and what a lint may load."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "lora_doctor"

# A room may import the rooms named here, and itself.
MAY = {
    "source": set(),
    "models": set(),
    "recipes": set(),
    "finding": {"source"},
    "setting": {"source", "finding"},
    "dataset": {"plan", "derived", "setting", "finding", "source", "models"},
    "plan": {"setting", "models", "dataset"},
    "derived": {"plan", "models", "setting"},
    "rule": {"finding", "source", "setting"},
    "captions": {"finding", "setting", "plan", "models"},
    "dialects": {"source", "finding", "setting", "plan", "models", "dataset", "derived", "meaning"},
    "meaning": {"plan", "derived", "setting", "models"},
    "compare": {"plan", "setting", "models", "describe", "meaning"},
    "begin": {"plan", "setting", "source", "models", "dataset", "recipes", "dialects"},
    "trainers": {"setting", "models", "dialects"},
    "translate": {"plan", "setting", "source", "models", "describe", "meaning", "compare", "dialects"},
    "suggest": {"plan", "setting", "dialects"},
    "describe": {"plan", "derived", "setting"},
    "runs": {"adapter", "dataset", "derived", "dialects", "plan", "source", "train", "typed"},
    "symptoms": {
        "adapter", "captions", "dataset", "derived", "dialects", "examples", "judge", "models", "plan", "report",
        "rule", "runs", "selection", "source",
    },
    "history": {"plan", "dialects", "source", "models"},
}
NOT_FOR_ALL = {"torch", "diffusers", "peft", "transformers", "accelerate"}
TORCH_ROOMS = {"train", "probe", "lab"}


def _imports(path: Path) -> set[str]:
    """Modules a file imports, relative ones resolved."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            found.add(".".join(part for part in (base, node.module or "") if part))
    return found


def _rooms(path: Path) -> set[str]:
    return {name.split(".")[1] for name in _imports(path) if name.startswith("lora_doctor.")}


SOURCES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=[str(p.relative_to(ROOT)) for p in SOURCES])
def test_import_directions(path: Path) -> None:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    room = parts[0]
    if room in MAY:
        assert _rooms(path) <= MAY[room] | {room}, f"{room} must not import {_rooms(path) - MAY[room] - {room}}"
    if room not in ("cli", "__main__"):
        assert "cli" not in _rooms(path), "nothing imports cli"
    if room not in TORCH_ROOMS:
        assert not {name.split(".")[0] for name in _imports(path)} & NOT_FOR_ALL


@pytest.mark.parametrize("path", sorted((ROOT / "rules").rglob("*.py")), ids=lambda p: p.stem)
def test_rules_know_facts_only(path: Path) -> None:
    allowed = {
        "rule",
        "plan",
        "derived",
        "setting",
        "models",
        "recipes",
        "suggest",
        "history",
        "environment",
        "suppress",
    }
    allowed |= {"adapter", "captions", "dataset", "symptoms", "commands"}
    assert _rooms(path) <= allowed


def test_every_folder_of_rules_is_packaged() -> None:
    import tomllib

    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    for folder in (ROOT / "rules").iterdir():
        if folder.is_dir() and list(folder.glob("*.py")):
            assert f"lora_doctor.rules.{folder.name}" in listed
    for folder in PACKAGE.rglob("*"):
        if folder.is_dir() and list(folder.glob("*.py")):
            assert ".".join(folder.relative_to(ROOT).parts) in listed


def test_a_lint_loads_nothing_heavy(tmp_path: Path) -> None:
    config = tmp_path / "job.yaml"
    config.write_text(
        "job: extension\nconfig:\n  name: zwx\n  process:\n    - type: sd_trainer\n      training_folder: out\n"
        "      train: {lr: 1e-4}\n      model: {name_or_path: a/b, arch: flux2_klein_4b}\n"
    )
    code = (
        "import sys\nfrom lora_doctor.cli import main\n"
        "sys.argv = ['lora-doctor', 'lint', sys.argv[1]]\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(*sorted(m.partition('.')[0] for m in sys.modules), file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code, str(config)], capture_output=True, text=True, check=True)
    heavy = {"torch", "numpy", "cv2", "PIL", "scipy", "pydantic", "rich", "jinja2", "dataclasses", "asyncio"}
    assert not heavy & set(run.stderr.split())
    assert "yaml" in run.stderr.split(), "the lint did not run"
