"""Real configs, broken at random: never a fault of ours, never a byte changed unasked, and a fix changes what it says.

`LORA_DOCTOR_CORPUS` names a folder with more configs to break.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lora_doctor import fixing
from lora_doctor.lint import lint_files
from lora_doctor.result import Found, Options, Result
from lora_doctor.source.document import Document, SourceError, Span
from lora_doctor.source.read import read_text

ROOT = Path(__file__).parents[2]
FOLDERS = [ROOT / "fixtures" / "configs", ROOT / "fixtures" / "lint", Path(os.environ.get("LORA_DOCTOR_CORPUS", "-"))]
FILES = sorted(
    path for folder in FOLDERS for path in folder.rglob("*") if path.is_file() and path.stat().st_size < 60_000
)
VALUES = [
    "0", "-1", "1e999", "nan", "null", "~", "true", '""', "''", "[]", "{}", "[[]]", '"None"', "1_000", "0x10", "1e-4",
    "[1, 'a']", '{"a": 1}', "9" * 400, '"\\u0000"', "日本", "$HOME", "${X:-1}", "'", '"', "#", ",", "=", ":", "- ", "",
    "lora", "../..", "/", "*.toml", "<<: *a", "&a 1", "*a", "[[a]]", "%", "\\", "`", "^", "$(x)", "--", "-1.5", "\t",
    "2024-01-01", "Infinity", "-.inf", "inf", "\n",
]  # fmt: skip
SETTINGS = settings(
    max_examples=int(os.environ.get("SAFETY_EXAMPLES", "300")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@st.composite
def broken(draw: st.DrawFn) -> tuple[str, bytes]:
    """A config's file name and its text with up to four changes: values replaced, lines and stretches moved about."""
    path = draw(st.sampled_from(FILES))
    text = path.read_bytes()
    for _ in range(draw(st.integers(0, 4))):
        text = draw(st.sampled_from([_value, _stretch, _line]))(draw, path.name, text)
    return path.name, text


def _value(draw: st.DrawFn, name: str, text: bytes) -> bytes:
    """A value, a key or a word of a command becomes something else."""
    try:
        document = read_text(name, text)
    except SourceError:
        return text
    spans = [span for entry in document.entries.values() for span in (entry.key, entry.span) if span]
    spans += [word.span for command in document.commands for word in command.words]
    if not spans:
        return text
    start, end = draw(st.sampled_from(spans))
    return text[:start] + draw(st.sampled_from(VALUES)).encode() + text[end:]


def _stretch(draw: st.DrawFn, name: str, text: bytes) -> bytes:
    """Some bytes go, come twice, or become other bytes."""
    start = draw(st.integers(0, len(text)))
    end = min(len(text), start + draw(st.integers(0, 30)))
    return (
        text[:start]
        + draw(st.sampled_from([b"", text[start:end] * 2, b"\n", b"\0", b"\xff", b"\r", b" "]))
        + text[end:]
    )


def _line(draw: st.DrawFn, name: str, text: bytes) -> bytes:
    """A line goes, comes twice, or moves."""
    lines = text.splitlines(keepends=True) or [b""]
    taken = lines.pop(draw(st.integers(0, len(lines) - 1)))
    for _ in range(draw(st.integers(0, 2))):
        lines.insert(draw(st.integers(0, len(lines))), taken)
    return b"".join(lines)


def _no_fault(result: Result) -> None:
    assert not [problem for problem in result.problems if "please report it" in problem.sentence], result.problems


def _fresh(folder: Path) -> Path:
    """An empty folder: examples share their test's `tmp_path`."""
    return Path(tempfile.mkdtemp(dir=folder))


@SETTINGS
@given(broken())
def test_a_lint_never_fails_and_writes_nothing(tmp_path: Path, case: tuple[str, bytes]) -> None:
    from lora_doctor.report import FORMATS, Report, render

    name, text = case
    path = _fresh(tmp_path) / name
    path.write_bytes(text)
    result = lint_files([(path, Options())])
    _no_fault(result)
    for form in FORMATS:
        shown = render(Report(result.files, result.found), form)
        assert "\x1b" not in shown
        assert not result.found or shown.endswith("\n")
    assert path.read_bytes() == text
    assert os.listdir(path.parent) == [name]


@SETTINGS
@given(broken())
def test_each_pass_of_fixes_changes_what_it_claims(tmp_path: Path, case: tuple[str, bytes]) -> None:
    name, text = case
    path = _fresh(tmp_path) / name
    path.write_bytes(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fixing, "MAX_PASSES", 1)
        before = lint_files([(path, Options())])
        done = fixing.fix_files([(path, Options())], unsafe=True)
    _no_fault(done.result)
    assert path.read_bytes() == text, "only write_changes writes"
    for change in done.changes:
        fixes = [each for each in before.found if each.finding.fix and change.path == _real(each)]
        assert 0 < done.applied <= len(fixes)
        _check_change(read_text(name, change.before), read_text(name, change.after), fixes)


def _real(found: Found) -> str:
    assert found.finding.fix
    return os.path.realpath(found.finding.fix.document.name)


def _check_change(before: Document, after: Document, fixes: list[Found]) -> None:
    """Told from the texts alone: what lies outside every offered edit is there before and after, in the same order."""
    edits = sorted({edit.span for each in fixes if each.finding.fix for edit in each.finding.fix.edits})
    at = 0
    for start, end in [*edits, Span(len(before.text), len(before.text))]:
        kept = before.text[min(at, start) : start] if at <= start else b""
        assert kept.strip() in after.text
        at = max(at, end)
    if before.syntax == "shell":
        words = [Counter(w.text for c in d.commands for w in c.words) for d in (before, after)]
        assert (words[1] - words[0]).total() <= 4 * len(fixes)
        return
    old, new = (
        {path: entry.value for path, entry in document.entries.items() if not isinstance(entry.value, (dict, list))}
        for document in (before, after)
    )
    changed = {path for path in old.keys() & new.keys() if old[path] != new[path]}
    assert len(changed) <= len(edits)
    assert len(new.keys() - old.keys()) <= 20 * len(edits)


@SETTINGS
@given(broken())
def test_fixes_come_to_an_end_and_a_second_run_has_nothing_to_do(tmp_path: Path, case: tuple[str, bytes]) -> None:
    name, text = case
    path = _fresh(tmp_path) / name
    path.write_bytes(text)
    done = fixing.fix_files([(path, Options())], unsafe=False)
    assert not fixing.write_changes(done.changes)
    again = fixing.fix_files([(path, Options())], unsafe=False)
    assert not again.changes
    assert os.listdir(path.parent) == [name]
