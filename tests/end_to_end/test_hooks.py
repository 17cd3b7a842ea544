"""The pre-commit hooks as a project meets them: the real `pre-commit`, installing this repository's HEAD."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CONFIG = """\
output_dir = "out"
dataset = "dataset.toml"
epochs = 10
[model]
type = "sdxl"
checkpoint_path = "stabilityai/stable-diffusion-xl-base-1.0"
dtype = "bfloat16"
[adapter]
type = "lora"
rank = 32
[optimizer]
type = "adamw_optimi"
lr = 1e-4
"""
SETTINGS = 'select = ["never-saves", "learning-rate-changed"]\n'


def test_both_hooks_are_declared_alike() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert [hook["id"] for hook in hooks] == ["lora-doctor", "lora-doctor-fix"]
    first, second = ({k: v for k, v in h.items() if k not in ("id", "name", "description", "entry")} for h in hooks)
    assert first == second
    assert second["require_serial"] is True, "files in two processes would be judged apart"
    assert hooks[1]["entry"] == f"{hooks[0]['entry']} --fix"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A clone of this repository and its commit."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    folder = tmp_path_factory.mktemp("repository") / "lora-doctor"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True)
    return folder, commit.stdout.strip()


@pytest.fixture
def project(tmp_path: Path, repository: tuple[Path, str]) -> Path:
    """A git repository that uses both hooks and has one good config committed."""
    project = tmp_path / "project"
    project.mkdir()
    hooks = [{"id": "lora-doctor"}, {"id": "lora-doctor-fix", "stages": ["manual"]}]
    config = {"repos": [{"repo": str(repository[0]), "rev": repository[1], "hooks": hooks}]}
    (project / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    (project / "lora-doctor.toml").write_text(SETTINGS)
    (project / "train.toml").write_text(CONFIG.replace("epochs", "save_every_n_epochs = 1\nepochs"))
    (project / "package.json").write_text('{"name": "somebody-elses"}\n')
    (project / "values.yaml").write_text("a: {{ .Values.a }}\n")
    _git(project, "init", "-q")
    _git(project, "add", ".")
    _git(project, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "first", "--no-verify")
    return project


def _git(project: Path, *args: str) -> None:
    subprocess.run(["git", *args], cwd=project, check=True)


def _hook(project: Path, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pre_commit", "run", *args, "--all-files", "--color=never"]
    home = os.environ.get("PRE_COMMIT_HOME") or str(project.parent.parent / "pre-commit")
    environment = os.environ | {"PRE_COMMIT_HOME": home}
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("git") is None, reason="pre-commit needs git")
def test_the_hooks_in_a_project(project: Path) -> None:
    pytest.importorskip("pre_commit")
    ran = _hook(project, "lora-doctor")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Passed" in ran.stdout

    (project / "train.toml").write_text(CONFIG.replace("1e-4", "5e-4"))
    ran = _hook(project, "lora-doctor")
    assert ran.returncode == 1
    assert "train.toml:1:1: error[never-saves]" in ran.stdout
    assert "[learning-rate-changed]" in ran.stdout, "compared with HEAD"
    assert "package.json" not in ran.stdout
    assert "values.yaml" not in ran.stdout

    ran = _hook(project, "lora-doctor-fix", "--hook-stage=manual")
    assert "files were modified by this hook" in ran.stdout
    assert "save_every_n_epochs = 1" in (project / "train.toml").read_text()
    assert "[never-saves]" not in _hook(project, "lora-doctor").stdout
