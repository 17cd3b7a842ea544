"""Fixes applied in memory, over and over until nothing is left to fix; what comes out is written once."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from functools import reduce
from operator import add
from pathlib import Path
from typing import NamedTuple

from lora_doctor.claims import changes_only_what_it_claims
from lora_doctor.dialects.reader import Problem
from lora_doctor.finding import Fix
from lora_doctor.lint import examine
from lora_doctor.result import Options, Result
from lora_doctor.settle import settle
from lora_doctor.source.document import Document, SourceError
from lora_doctor.source.edit import apply
from lora_doctor.write import write_beside

MAX_PASSES = 10  # a fix that brings forth another one needs two; a tenth means that two fixes undo each other
Job = tuple[Path, Options]


class Change(NamedTuple):
    """One file with its text before and after. `name` is the name the user knows it by."""

    name: str
    path: str
    before: bytes
    after: bytes


class Fixed(NamedTuple):
    """What the findings are once every fix is made, and what the fixes come to."""

    result: Result
    changes: tuple[Change, ...]
    applied: int
    left_out: int  # fixes that would have changed more than they claim, or did not mend what they were made for


class Mark(NamedTuple):
    """What a fix is known by from pass to pass."""

    path: str  # real path of the file it changes
    rule: str
    key: str
    description: str


def fix_files(jobs: Sequence[Job], *, unsafe: bool, keep: Callable[[Result], Result] = lambda result: result) -> Fixed:
    """Lint and fix, writing nothing; `keep` takes away the findings that are to stay as they are."""
    return _Fixing(jobs, unsafe, keep).run()


class _Fixing:
    """Holds the texts as the fixes have left them, and each file's part of the result."""

    def __init__(self, jobs: Sequence[Job], unsafe: bool, keep: Callable[[Result], Result]) -> None:
        self.jobs = list(jobs)
        self.unsafe = unsafe
        self.keep = keep
        self.texts: dict[str, bytes] = {}
        self.originals: dict[str, tuple[str, bytes]] = {}
        self.parts = [self._examine(job) for job in self.jobs]
        self.refused: set[Mark] = set()
        self.applied = 0

    def run(self) -> Fixed:
        """Pass after pass until one has nothing to do."""
        result = self._result()
        for _ in range(MAX_PASSES):
            before = dict(self.texts)
            made = self._fix(result)
            if not made:
                break
            self._look_again({mark.path for mark in made})
            left = self._result()
            futile = {mark for mark in made if self._offered(left)[mark] >= self._offered(result)[mark]}
            if futile:  # what a fix does not mend it does not change either
                self._take_back(futile, before)
                made = [mark for mark in made if mark.path not in {mark.path for mark in futile}]
                left = self._result()
            self.applied += len(made)
            result = left
        changes = tuple(
            Change(name, path, before, self.texts[path])
            for path, (name, before) in self.originals.items()
            if self.texts.get(path, before) != before
        )
        return Fixed(result, changes, self.applied, len(self.refused))

    def _examine(self, job: Job) -> Result:
        path, options = job
        return examine(path, options._replace(texts={**options.texts, **self.texts}))

    def _look_again(self, paths: set[str]) -> None:
        self.parts = [
            self._examine(job) if paths & _reached(part) else part for job, part in zip(self.jobs, self.parts)
        ]

    def _take_back(self, futile: set[Mark], before: dict[str, bytes]) -> None:
        self.refused |= futile
        for mark in futile:
            if mark.path in before:
                self.texts[mark.path] = before[mark.path]
            else:
                self.texts.pop(mark.path, None)
        self._look_again({mark.path for mark in futile})

    def _result(self) -> Result:
        return self.keep(settle(reduce(add, self.parts, Result())))

    def _offered(self, result: Result) -> Counter[Mark]:
        return Counter(mark for mark, _ in self._fixes(result))

    def _fixes(self, result: Result) -> list[tuple[Mark, Fix]]:
        """The fixes that may be applied, each once."""
        found: list[tuple[Mark, Fix]] = []
        for each in result.found:
            fix = each.finding.fix
            if fix is not None and (fix.safe or self.unsafe):
                mark = Mark(os.path.realpath(fix.document.name), each.rule.id, each.finding.key, fix.description)
                if mark not in self.refused and (mark, fix) not in found:
                    found.append((mark, fix))
        return found

    def _fix(self, result: Result) -> list[Mark]:
        """One pass; the marks of the fixes it made."""
        by_file: dict[str, list[tuple[Mark, Fix]]] = {}
        for mark, fix in self._fixes(result):
            by_file.setdefault(mark.path, []).append((mark, fix))
        return [mark for path, fixes in by_file.items() for mark in self._fix_file(path, fixes)]

    def _fix_file(self, path: str, fixes: list[tuple[Mark, Fix]]) -> list[Mark]:
        document = fixes[0][1].document
        taken: list[Fix] = []
        made: list[Mark] = []
        for mark, fix in fixes:
            if fix.document.text != document.text or any(_conflict(fix, other) for other in taken):
                continue  # its turn comes in the next pass
            if _text(document, [fix]) is None:
                self.refused.add(mark)
            elif _text(document, [*taken, fix]) is not None:
                taken.append(fix)
                made.append(mark)
        after = _text(document, taken) if taken else None
        if after is None or after == document.text:
            return []
        self.originals.setdefault(path, (document.name, document.text))
        self.texts[path] = after
        return made


def _reached(part: Result) -> set[str]:
    return {os.path.realpath(document.name) for file in part.files for document in (file.document, *file.followed)}


def _conflict(one: Fix, other: Fix) -> bool:
    """Whether two fixes touch: they overlap, or both begin at one place."""
    return any(
        a.span.start == b.span.start or (a.span.start < b.span.end and b.span.start < a.span.end)
        for a in one.edits
        for b in other.edits
    )


def _text(document: Document, fixes: list[Fix]) -> bytes | None:
    """The text with all these fixes made; None where that breaks it or changes more than they claim."""
    edits = [edit for fix in fixes for edit in fix.edits]
    try:
        after = apply(document.text, edits)
    except SourceError:
        return None
    return after if changes_only_what_it_claims(document, edits, after) else None


def write_changes(changes: Sequence[Change]) -> list[Problem]:
    """Write every file, each at once; what could not be written is told."""
    failed: list[Problem] = []
    for change in changes:
        try:
            if Path(change.path).read_bytes() != change.before:
                raise SourceError("was changed by somebody else meanwhile, so its fixes are not written")
            write_beside(Path(change.name), change.after)
        except OSError as error:
            failed.append(Problem(change.name, f"can't be read: {(error.strerror or str(error)).lower()}"))
        except SourceError as error:
            failed.append(Problem(change.name, error.sentence))
    return failed


def diff(changes: Sequence[Change]) -> str:
    """The changes as one unified diff."""
    from difflib import unified_diff

    parts: list[str] = []
    for change in changes:
        before, after = (_lines(text) for text in (change.before, change.after))
        lines = unified_diff(before, after, change.name, change.name)
        parts += (line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
    return "".join(parts)


def _lines(text: bytes) -> list[str]:
    """Lines with their breaks; only line feeds part them, as in git."""
    lines = text.decode("utf-8", "surrogateescape").split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
