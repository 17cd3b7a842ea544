"""Folders: what is looked at in them, and what is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lora_doctor.walk import walk

from .configs import FINE, NEVER_SAVES, RULES
from .conftest import Call


def tree(*names: str, text: str = "") -> None:
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        else:
            path.write_text(text, encoding="utf-8")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_only_suffixes_that_can_be_configs_sorted() -> None:
    tree(
        "b.toml",
        "a.yaml",
        "c/d.json",
        "c/e.png",
        "c/f.txt",
        "g.safetensors",
        "h.sh",
        "config.env",
        "i.toml.example",
        "README",
    )
    assert list(walk(".")) == ["a.yaml", "b.toml", "config.env", "h.sh", "i.toml.example", "c/d.json"]


def test_hidden_folders_and_environments_are_passed_over() -> None:
    tree(".git/a.toml", ".venv/a.toml", "env/pyvenv.cfg", "env/a.toml", "node_modules/a.json", "ok/a.toml")
    assert list(walk(".")) == ["ok/a.toml"]


@pytest.mark.parametrize("ignored", ["a.toml", "*.toml\n!b.toml", "/c/a.toml", "c/*"])
def test_what_git_ignores_is_passed_over(ignored: str) -> None:
    tree(".git/info/", "c/a.toml", "b.toml")
    Path(".gitignore").write_text(ignored + "\n")
    assert list(walk(".")) == ["b.toml"]


def test_nested_patterns_and_the_repositorys_own(tmp_path: Path) -> None:
    tree(".git/info/", "c/a.toml", "c/keep/b.toml", "c/keep/a.toml", "d/a.toml", "e/x.toml", "f/x.toml")
    Path(".gitignore").write_text("a.toml\n")
    Path("c/.gitignore").write_text("!keep/a.toml\n")
    Path(".git/info/exclude").write_text("/e/\n")
    assert list(walk(".")) == ["c/keep/a.toml", "c/keep/b.toml", "f/x.toml"]
    assert list(walk(str(tmp_path / "c"))) == [str(tmp_path / "c/keep/a.toml"), str(tmp_path / "c/keep/b.toml")]
    assert list(walk("d")) == [], "patterns from above hold"
    assert list(walk("e")) == ["e/x.toml"], "the ignored folder itself was named"


def test_broken_patterns_are_no_reason_to_stop() -> None:
    tree("a.toml")
    Path(".gitignore").write_bytes(b"!\n\xff\xfe\n**[\n//\n")
    assert list(walk(".")) == ["a.toml"]


def test_links(call: Call) -> None:
    tree("a/b.toml", text=NEVER_SAVES)
    Path("a/loop").symlink_to("../a")
    Path("a/ring.toml").symlink_to("ring.toml")
    Path("a/gone.toml").symlink_to("nowhere.toml")
    ran = call("lint", RULES, "--format=concise", "a")
    assert ran.out.count("never-saves") == 1
    assert ran.err == (
        "a/gone.toml: can't be read: no such file or directory\n"
        "a/ring.toml: can't be read: too many levels of symbolic links\n"
    )
    assert ran.code == 2


def test_a_folder_without_configs(call: Call) -> None:
    tree("a/package.json", text='{"name": "x"}')
    assert call("lint", "a") == (0, "no training config found\n", "")
    assert call("lint") == (0, "no training config found\n", "")


def test_strange_and_huge_files_are_passed_over_in_silence(call: Call) -> None:
    tree("a.toml", text=FINE)
    tree("values.yaml", text="a: {{ b }}\n")
    tree("k8s.yaml", text="kind: a\n---\nkind: b\n")
    Path("data.json").write_bytes(b'{"a": "\0"}')
    with open("big.json", "wb") as file:
        file.truncate(100_000_000)
    ran = call("lint", RULES, ".")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("1 file checked")


def test_a_folder_that_cannot_be_listed(monkeypatch: pytest.MonkeyPatch, call: Call) -> None:
    tree("a/b.toml", text=FINE)
    scandir = os.scandir

    def refuse(path: str) -> object:  # root may list everything, so the refusal has to be played
        if str(path).endswith("a"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    ran = call("lint", RULES, ".")
    assert (ran.code, ran.err) == (2, "./a: can't be listed: permission denied\n")


def test_a_file_named_twice_is_looked_at_once(call: Call, tmp_path: Path) -> None:
    tree("a.toml", text=NEVER_SAVES)
    ran = call("lint", RULES, "--format=concise", "a.toml", ".", tmp_path / "a.toml")
    assert ran.out.count("error[never-saves]") == 1
