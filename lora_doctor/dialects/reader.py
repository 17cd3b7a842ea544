"""Opens what a config points to: dataset configs, image folders, model files. Never the network."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from lora_doctor.dataset.listing import IMAGES, Listing, list_folder
from lora_doctor.models.identify import ModelIdentity, identify
from lora_doctor.plan import UNKNOWN, Component
from lora_doctor.setting import Setting
from lora_doctor.source.document import Document, SourceError
from lora_doctor.source.paths import relative
from lora_doctor.source.read import read_file, read_text

MAX_FOLLOWED = 64  # files opened on behalf of one config; a chain that long is a loop
_LOCAL = re.compile(r"^([/~.\\]|[A-Za-z]:)|\.(safetensors|ckpt|pt|pth|bin|gguf|sft)$")  # a file, not a repository's id


class Problem(NamedTuple):
    """Why a file could not be worked on: one sentence, with its place where there is one."""

    file: str
    sentence: str
    line: int = 0
    column: int = 0


class Reader:
    """Follows references from one config; holds what it opened, what is not on this machine, and what failed.

    `texts` holds files, by real path, whose content is not (yet) the one on disk; `homes` are further folders to look
    in, where a config stands in for one that lies there.
    """

    def __init__(
        self, *, datasets: bool = True, texts: Mapping[str, bytes] | None = None, homes: Sequence[Path] = ()
    ) -> None:
        self.datasets = datasets
        self.texts = texts or {}
        self.homes = homes
        self.missing: list[str] = []
        self.opened: dict[Path, Document | None] = {}
        self.problems: list[Problem] = []

    def find(self, reference: str, beside: Document) -> Path | None:
        """Where a path written in `beside` lies: as it is, from here, beside the file, or from a folder above it.

        Trainers resolve paths against the folder they are started in, which a config can't say.
        """
        text = os.path.expanduser(os.path.expandvars(reference.strip()))
        here = Path(beside.name).absolute().parent
        for folder in (Path.cwd(), here, here.parent, here.parent.parent, *self.homes):
            try:
                path = folder / text
                if text and path.exists():
                    return path
            except (OSError, ValueError):  # a name too long, a null byte
                return None
        return None

    def document(self, reference: object, beside: Document) -> Document | None:
        """The config file a value points to, None when it is not there; a broken one becomes a problem."""
        path = self.find(reference, beside) if isinstance(reference, str) else None
        if path is None or not path.is_file():
            self._miss(reference)
            return None
        path = path.resolve()
        if path not in self.opened and len(self.opened) < MAX_FOLLOWED:
            self.opened[path] = self._open(path)
        return self.opened.get(path)

    def _miss(self, reference: object) -> None:
        if isinstance(reference, str) and reference and reference not in self.missing:
            self.missing.append(reference)

    def _open(self, path: Path) -> Document | None:
        name = relative(path)
        text = self.texts.get(str(path))
        try:
            document = read_file(path) if text is None else read_text(name, text)
        except SourceError as error:
            self.problems.append(Problem(name, error.sentence, error.line, error.column))
            return None
        document.name = name
        return document

    def listing(
        self, folder: Setting[str], beside: Document, extensions: frozenset[str] = IMAGES, *, recursive: bool = False
    ) -> Listing | None:
        """The file names in a dataset folder; None when it is not there or datasets are to be left alone."""
        if not self.datasets or not isinstance(folder.value, str):
            return None
        path = self.find(folder.value, beside)
        found = list_folder(path, extensions, recursive=recursive) if path is not None else None
        if found is None:
            self._miss(folder.value)
        return found

    def component(self, setting: Setting[str], beside: Document, declared: ModelIdentity = UNKNOWN) -> Component:
        """A model file, folder or repository id with what its header or its name says."""
        if not isinstance(setting.value, str) or not setting.value:
            return Component(setting, declared)
        path = self.find(setting.value, beside)
        if path is None and _LOCAL.search(setting.value):
            self._miss(setting.value)
        found = identify(str(path) if path is not None else setting.value)
        return Component(setting, declared, found)
