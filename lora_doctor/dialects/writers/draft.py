"""What a writer fills: files with their values, and what could not be said as it was meant."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lora_doctor.plan import Plan
from lora_doctor.source.document import KeyPath
from lora_doctor.source.render import Row, command, json_text, toml, yaml


class Written(NamedTuple):
    """One finished file: its name within the output folder, and its text or the file that it is a link or copy of."""

    name: str
    text: str
    source: Path | None = None


class Value(NamedTuple):
    """One value on a sheet: `field` is the plan field it says, `why` what is said beside it instead of its reason."""

    path: KeyPath
    value: Any
    field: str
    why: str


class Sheet:
    """One file being written: values in order, each with the reason that belongs to its plan field."""

    def __init__(self, name: str, syntax: str, draft: Draft, head: str = "") -> None:
        self.name = name
        self.syntax = syntax
        self.draft = draft
        self.head = head
        self.values: list[Value] = []

    def put(self, key: str, value: Any, field: str = "", why: str = "") -> None:
        """Write a value under a dotted key (numbers are list positions); None is left out.

        `field` is the plan field it says, whose reason stands beside it; `why` is said instead where it is given.
        """
        if value is not None:
            path: KeyPath = tuple(int(part) if part.isdigit() else part for part in key.split("."))
            self.values.append(Value(path, value, field, why))

    def has(self, key: str) -> bool:
        """Whether a key was written."""
        return any(".".join(map(str, value.path)) == key for value in self.values)

    @property
    def rows(self) -> list[Row]:
        """The values with their comments: what is changed says so, not where it came from."""
        return [Row(value.path, value.value, self._comment(value)) for value in self.values]

    def _comment(self, value: Value) -> str:
        if value.why:
            return value.why
        return self.draft.notes.get(value.field) or self.draft.reasons.get(value.field, "")

    def under(self, prefix: str) -> Section:
        """The part of the file below a dotted key."""
        return Section(self, prefix)

    def finished(self) -> Written:
        """The file's text."""
        if self.syntax == "json":
            return Written(self.name, json_text(self.rows))
        return Written(self.name, (toml if self.syntax == "toml" else yaml)(self.rows, self.head))


class Section(NamedTuple):
    """A part of a sheet: everything stands below one dotted key."""

    sheet: Sheet
    prefix: str

    def put(self, key: str, value: Any, field: str = "", why: str = "") -> None:
        """As `Sheet.put`."""
        self.sheet.put(f"{self.prefix}.{key}" if self.prefix else key, value, field, why)


class Draft:
    """One translation being written. `plan` is canonical; `folder` is where the files will lie.

    `powershell`: commands are written for it, not for a POSIX shell; on Windows unless told otherwise.
    """

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        name: str,
        reasons: Mapping[str, str],
        head: str = "",
        powershell: bool = os.name == "nt",
    ) -> None:
        self.powershell = powershell
        self.plan = plan
        self.folder = folder
        self.name = name
        self.reasons = reasons
        self.head = head
        self.sheets: list[Sheet] = []
        self.starters: list[Written] = []
        self.extras: list[Written] = []
        self.links: list[Written] = []
        self.notes: dict[str, str] = {}

    def sheet(self, name: str, syntax: str) -> Sheet:
        """A new file; the first one is what is started."""
        made = Sheet(name, syntax, self, self.head if not self.sheets else "")
        self.sheets.append(made)
        return made

    def command(self, words: Sequence[str], rows: Iterable[Row] = (), where: str = "") -> str:
        """A command in the user's shell; `where` says in which folder it is started."""
        return command(words, rows, f"{self.head}\n{where}" if where else "", self.powershell)

    def starter(self, text: str) -> None:
        """The script that starts the run: it comes first."""
        self.starters.append(Written(f"{self.name}.{'ps1' if self.powershell else 'sh'}", text))

    def extra(self, name: str, text: str) -> None:
        """A further file that is no table of values."""
        self.extras.append(Written(name, text))

    def cannot(self, field: str, sentence: str) -> None:
        """Why a plan field comes out otherwise, or not at all, and what follows from it."""
        self.notes.setdefault(field, sentence)

    def reference(self, name: str) -> str:
        """How one file names another: trainers are started in folders of their own, so the whole path is given."""
        return Path(os.path.abspath(self.folder / name)).as_posix()

    def link(self, name: str, source: Path) -> None:
        """A file of the user's that is needed here too: it is linked, or copied, and itself never touched."""
        self.links.append(Written(name, "", source))

    def files(self) -> tuple[Written, ...]:
        """Everything written, the file to start first."""
        return (*self.starters, *(sheet.finished() for sheet in self.sheets), *self.extras, *self.links)
