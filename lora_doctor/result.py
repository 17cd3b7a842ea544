"""What goes into one run of the linter, and what comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from types import MappingProxyType
from typing import NamedTuple

from lora_doctor.dialects.reader import Problem
from lora_doctor.finding import Finding
from lora_doctor.rule import Rule
from lora_doctor.selection import ALL, Selection
from lora_doctor.settings import Settings
from lora_doctor.source.document import Document
from lora_doctor.suppress import Suppression


class Found(NamedTuple):
    """A finding with the rule that made it and the trainer it speaks of."""

    rule: Rule
    finding: Finding
    trainer: str

    @property
    def level(self) -> str:
        """The finding's own level where it has one, else the rule's."""
        return self.finding.level or self.rule.level


class Options(NamedTuple):
    """How one file is to be judged."""

    trainer: str | None = None  # overrules recognition
    datasets: bool = True  # look into image folders
    environment: bool = False  # look at what is installed on this machine
    against: str | None = None  # a git revision to compare with
    recipe: str | None = None  # the published recipe a project holds itself to
    selection: Selection = ALL
    settings: Settings | None = None  # a project's ignores by path and key
    lenient: bool = False  # nobody named this file: pass over it where it does not look like a training config
    texts: Mapping[str, bytes] = MappingProxyType({})  # real path -> content that is not (yet) the one on disk
    apart: bool = False  # examine images in other processes, which leave this one's memory alone
    tell: Callable[[str, int, int], None] | None = None  # told of each image: its folder, images done, images in all


class File(NamedTuple):
    """One file looked at: whose it is, what kind, what it led to, and what it names that is not on this machine."""

    document: Document
    trainer: str
    kind: str
    followed: tuple[Document, ...] = ()
    missing: tuple[str, ...] = ()
    options: Options = Options()


class Result(NamedTuple):
    """Everything one run of the linter has to say."""

    files: tuple[File, ...] = ()
    found: tuple[Found, ...] = ()
    problems: tuple[Problem, ...] = ()
    skipped: tuple[str, ...] = ()  # files that are no trainer's config
    suppressed: tuple[tuple[Found, Suppression], ...] = ()  # by a comment
    ignored: tuple[Found, ...] = ()  # by the project's settings

    def __add__(self, other: tuple[object, ...]) -> Result:  # joins the lists
        assert isinstance(other, Result)
        return Result(
            self.files + other.files,
            self.found + other.found,
            self.problems + other.problems,
            self.skipped + other.skipped,
            self.suppressed + other.suppressed,
            self.ignored + other.ignored,
        )


def joined(results: Iterable[Result]) -> Result:
    """Many results as one: each list is copied once, however many files there are."""
    return Result(*(tuple(chain.from_iterable(part)) for part in zip(*results)))
