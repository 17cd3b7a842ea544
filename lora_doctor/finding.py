"""What a rule says: where, what, and how to mend it."""

from __future__ import annotations

from typing import Any, NamedTuple

from lora_doctor.source.document import Document, KeyPath, Span
from lora_doctor.source.edit import Edit


class Place(NamedTuple):
    """A stretch of a document, and the key path it belongs to (empty for the whole file)."""

    document: Document
    span: Span
    path: KeyPath = ()


class Fix(NamedTuple):
    """Edits of one document that silence a finding; `safe` means the run can only get closer to what was meant."""

    description: str
    document: Document
    edits: tuple[Edit, ...]
    safe: bool


class Related(NamedTuple):
    """A second place that explains the first."""

    place: Place
    message: str


class Finding(NamedTuple):
    """One thing found.

    `message` gives the value and its consequence, `action` what to do: lower case, no full stop.
    `key` is the key in the trainer's own words (`--network_alpha`, `train.lr`).
    """

    place: Place
    message: str
    action: str = ""
    key: str = ""
    value: Any = None
    fix: Fix | None = None
    related: tuple[Related, ...] = ()
    level: str | None = None  # where a project asked for more strictness than the rule has by itself
    private: bool = False  # a secret: reporters show neither the value nor its source text
    about: tuple[str, ...] = ()  # images of the dataset it speaks of, relative to their folder

    @property
    def sentence(self) -> str:
        """Message and action in one."""
        return f"{self.message}; {self.action}" if self.action else self.message
