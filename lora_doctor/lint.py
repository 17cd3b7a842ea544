"""Documents become findings: recognise, read, judge."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from lora_doctor.dialects import recognise
from lora_doctor.dialects.reader import Problem, Reader
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, Rule, rules_for
from lora_doctor.source.document import Document, SourceError
from lora_doctor.source.read import read_file

UNRECOGNISED = "is no config of a trainer lora-doctor knows"


class Found(NamedTuple):
    """A finding with the rule that made it and the trainer it speaks of."""

    rule: Rule
    finding: Finding
    trainer: str

    @property
    def level(self) -> str:
        """The finding's own level where it has one, else the rule's."""
        return self.finding.level or self.rule.level


class File(NamedTuple):
    """One file looked at: whose it is, and what kind."""

    document: Document
    trainer: str
    kind: str


class Result(NamedTuple):
    """Everything one run of the linter has to say."""

    files: tuple[File, ...] = ()
    found: tuple[Found, ...] = ()
    problems: tuple[Problem, ...] = ()
    skipped: tuple[str, ...] = ()  # files that are no trainer's config

    def __add__(self, other: tuple[object, ...]) -> Result:  # joins the four lists
        assert isinstance(other, Result)
        return Result(
            self.files + other.files,
            self.found + other.found,
            self.problems + other.problems,
            self.skipped + other.skipped,
        )


def lint_file(path: Path, *, trainer: str | None = None, datasets: bool = True) -> Result:
    """Read and judge one file; whatever is wrong with it becomes a problem, never an exception."""
    try:
        document = read_file(path)
    except SourceError as error:
        return Result(problems=(Problem(str(path), error.sentence, error.line, error.column),))
    return lint_document(document, trainer=trainer, datasets=datasets)


def lint_document(document: Document, *, trainer: str | None = None, datasets: bool = True) -> Result:
    """Judge one parsed file and what it refers to."""
    recognised = recognise(document, trainer)
    if recognised is None:
        return Result(skipped=(document.name,))
    dialect, kind = recognised
    reader = Reader(datasets=datasets)
    plans = dialect.read(document, kind, reader)
    file = File(document, dialect.TRAINER, plans[0].kind if plans else kind)
    found, problems = judge(plans, document.name)
    return Result((file,), found, (*_duplicates(document), *reader.problems, *problems))


def judge(plans: Iterable[Plan], name: str) -> tuple[tuple[Found, ...], tuple[Problem, ...]]:
    """Every rule that speaks of these plans; a rule that fails is a problem of its own and stops nothing."""
    found: dict[tuple[str, str, tuple[int, int]], Found] = {}
    problems: list[Problem] = []
    for plan in plans:
        for rule in rules_for([plan.trainer], [plan.model.family]):
            if rule.trainers and plan.trainer not in rule.trainers:
                continue
            if rule.families and plan.model.family not in rule.families:
                continue
            try:
                for finding in rule.check(plan):
                    place = finding.place
                    found.setdefault((rule.id, place.document.name, place.span), Found(rule, finding, plan.trainer))
            except Exception as error:  # a rule is wrong, not the user's file: say which, go on with the others
                sentence = f"the rule `{rule.id}` failed on this file ({type(error).__name__}: {error}); please report it"
                problems.append(Problem(name, sentence))
    return tuple(found.values()), tuple(problems)


def _duplicates(document: Document) -> list[Problem]:
    problems = []
    for path, first, last in document.duplicates:
        line, column = document.position(last.start)
        sentence = (
            f"the key `{path[-1]}` is written twice (first on line {document.position(first.start).line}); "
            "loaders keep the last without a word: remove one"
        )
        problems.append(Problem(document.name, sentence, line, column))
    return problems
