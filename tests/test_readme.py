"""The README is true: its tables are what the code says, its commands are what CI runs, its links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tables() -> ModuleType:
    return script("tables")


def test_the_page_on_scaling_is_made_from_the_models() -> None:
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    assert script("scaling").with_tables(page) == page, "run `python docs/scaling.py`"


def test_the_tables_are_made_from_the_rules(tables: ModuleType) -> None:
    assert tables.with_summary(README) == README, "run `python docs/tables.py`"
    assert tables.every_rule() == (ROOT / "docs" / "rules.md").read_text(encoding="utf-8"), (
        "run `python docs/tables.py`"
    )


def test_the_page_of_trainers_is_made_from_the_dialects(tables: ModuleType) -> None:
    page = (ROOT / "docs" / "trainers.md").read_text(encoding="utf-8")
    assert tables.every_trainer() == page, "run `python docs/tables.py`"


def test_every_topic_says_what_it_is_about(tables: ModuleType) -> None:
    assert set(tables.topics()) <= set(tables.TOPICS)


PAGES = ("README.md", "CONTRIBUTING.md", "docs/rules.md", "docs/scaling.md", "docs/keeping.md", "docs/datasets.md")


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{name} links to {target}"


def test_ci_runs_the_commands_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for marker in ("install and lint", "install and test"):
        assert f"<!-- {marker} -->" in README
        assert f"<!-- {marker} -->" in script


def test_every_command_is_known() -> None:
    from lora_doctor.cli import COMMANDS

    named = set(re.findall(r"^ +lora-doctor ([a-z-]+)|`lora-doctor ([a-z-]+)", README, flags=re.M))
    assert {name for pair in named for name in pair if name} <= COMMANDS.keys()
