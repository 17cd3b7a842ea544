"""Answers on disk, by what decides them: model, images, captions, prompts, number formats, the checkpoint's content."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lora_doctor.source.document import SourceError
from lora_doctor.train.cache import identity, key
from lora_doctor.train.monitors import as_numbers
from lora_doctor.write import write_beside

Row = dict[str, Any]


class Kept:
    """A folder of rows; a damaged file is one that is not there."""

    def __init__(self, folder: Path, questions: str) -> None:
        """`questions` is the hash of all that is asked, and of whom."""
        self._folder, self._questions = folder, questions
        self._known: dict[Path | None, list[Row] | None] = {}

    def get(self, checkpoint: Path | None) -> list[Row] | None:
        """A checkpoint's rows, without its step: the same file may lie at another. None: those of the base model."""
        if checkpoint not in self._known:
            self._known[checkpoint] = None
            with suppress(OSError, ValueError):
                found = json.loads(self._path(checkpoint).read_bytes())
                self._known[checkpoint] = found if isinstance(found, list) else None
        return self._known[checkpoint]

    def keep(self, checkpoint: Path | None, rows: Sequence[Row]) -> None:
        """Keep what came.

        Raises:
            SourceError: it can't be written.
        """
        plain = [as_numbers(row) for row in rows]
        self._known[checkpoint] = plain
        path = self._path(checkpoint)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SourceError(f"the cache {self._folder} can't be written: {str(error.strerror).lower()}") from None
        write_beside(path, json.dumps(plain).encode())

    def _path(self, checkpoint: Path | None) -> Path:
        content = "" if checkpoint is None else identity(checkpoint)
        digest = key("asked", questions=self._questions, checkpoint=content).rpartition("-")[2]
        return self._folder / digest[:2] / f"{digest}.json"
