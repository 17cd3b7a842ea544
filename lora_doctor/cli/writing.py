"""What the commands share that write configs: where files go, and the user's word before anything is replaced."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lora_doctor.source.document import SourceError

if TYPE_CHECKING:
    from lora_doctor.dialects.writers.draft import Written
    from lora_doctor.translate import Translation

CONFIGS = frozenset({".toml", ".yaml", ".yml", ".json", ".sh", ".ps1"})  # else `--output` is a folder
_RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))})


def file_name(text: str) -> str:
    """A name that every file system takes, from any text."""
    plain = re.sub(r"[^\w.-]+", "-", text.strip(), flags=re.ASCII).strip("-.")[:60].rstrip("-.")
    return f"run-{plain}" if plain.lower().partition(".")[0] in _RESERVED else plain or "lora"


def place_of(output: str, name: str) -> tuple[Path, str]:
    """The folder of the new files, and what their names begin with: `--output` is a folder, or the main file's path."""
    path = Path(output)
    if path.suffix.lower() in CONFIGS and not path.is_dir():
        return path.parent, file_name(path.stem)
    return path, name


def write_files(folder: Path, files: Sequence[Written], *, overwrite: bool) -> None:
    """Write all of them, or none where one is there already and the user has not said that it may be replaced.

    Raises:
        SourceError: a file exists, or can't be written.
    """
    from lora_doctor.write import write_beside

    there = [file.name for file in files if os.path.lexists(folder / file.name)]
    if there and not overwrite and not _agreed(folder, there):
        raise SourceError(f"{folder / there[0]} is there already: nothing was written; --overwrite replaces it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SourceError(f"{folder} can't be made: {(error.strerror or str(error)).lower()}") from None
    for file in files:
        try:
            (folder / file.name).parent.mkdir(parents=True, exist_ok=True)
            if file.source is not None:
                _link(file.source, folder / file.name)
            else:
                write_beside(folder / file.name, file.text.encode("utf-8"))
        except SourceError as error:
            raise SourceError(f"{folder / file.name}: {error.sentence}") from None
        except OSError as error:
            raise SourceError(
                f"{folder / file.name} can't be written: {(error.strerror or str(error)).lower()}"
            ) from None


def _link(source: Path, place: Path) -> None:
    """A hard link, which takes no space and needs no right that a copy does not; a copy on another disk."""
    if os.path.lexists(place):
        place.unlink()
    try:
        os.link(source, place)
    except OSError:
        import shutil

        shutil.copy2(source, place)


def _agreed(folder: Path, names: list[str]) -> bool:
    if not sys.stdin.isatty():
        return False
    return click.confirm(f"{', '.join(names)} in {folder}: replace?", default=False, err=True)


def shown(value: object) -> str:
    """A value on one line of a report."""
    import json

    from lora_doctor.report.terminal import printable

    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return printable(text if len(text) <= 60 else f"{text[:57]}...")


def loss_lines(translation: Translation) -> list[str]:
    """What comes out otherwise, one line each; the same of several datasets once."""
    from lora_doctor.report.terminal import printable

    lines: dict[str, int] = {}
    for each in translation.lost:
        name = each.title.partition(" (dataset")[0]
        change = f"{shown(each.wanted.value)} -> {shown(each.got.value)}"
        line = f"{name}: {change}: {printable(each.consequence)}"
        lines[line] = lines.get(line, 0) + 1
    return [line if count == 1 else f"{line} ({count} datasets)" for line, count in lines.items()]
