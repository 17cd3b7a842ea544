"""Paths on the command line become files to lint, each with the settings that hold for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from lora_doctor.dialects.reader import Problem
from lora_doctor.result import Options
from lora_doctor.selection import resolve
from lora_doctor.settings import Settings, nearest_settings
from lora_doctor.walk import walk

Job = tuple[Path, Options]
STDIN = "-"


class Wanted(NamedTuple):
    """What the command line says about every file."""

    options: Options  # with nothing of a project's settings in them
    settings: Settings | None = None  # those of --config, or none at all with --isolated; None: the nearest
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    skip_unrecognised: bool = False
    stdin_name: str = "<stdin>"

    def settings_for(self, path: str) -> Settings:
        """The settings that hold for one file."""
        return self.settings or nearest_settings(os.path.dirname(os.path.abspath(path)))


def jobs_of(paths: tuple[str, ...], wanted: Wanted) -> tuple[list[Job], list[Problem]]:
    """Every file once, in the order of the command line; folders are walked."""
    nearest_settings.cache_clear()  # another call in this process may come after a change
    select, ignore = resolve(wanted.select), resolve(wanted.ignore)
    options = _per_settings(wanted.options, lambda s: {"selection": s.selection(select, ignore), "settings": s})
    found: dict[str, Job] = {}
    problems: list[Problem] = []
    for item, lenient, text in _files(paths, wanted):
        if isinstance(item, Problem):
            problems.append(item)
            continue
        made = options(wanted.settings_for(item))._replace(lenient=lenient)
        if text is not None:
            made = made._replace(texts={os.path.realpath(item): text})
        found.setdefault(os.path.abspath(item), (Path(item), made))
    return list(found.values()), problems


def _per_settings(base: Options, make: Callable[[Settings], dict[str, object]]) -> Callable[[Settings], Options]:
    """Options of a file by its settings, made once for each set of settings."""
    known: dict[int, Options] = {}

    def options(settings: Settings) -> Options:
        if id(settings) not in known:
            own = {"trainer": base.trainer or settings.trainer, "recipe": settings.recipe}
            known[id(settings)] = base._replace(**own, **make(settings))  # type: ignore[arg-type]
        return known[id(settings)]

    return options


def _files(paths: tuple[str, ...], wanted: Wanted) -> Iterator[tuple[str | Problem, bool, bytes | None]]:
    """Each file's path, whether nobody named it, and its text where that is not on disk."""
    for path in paths:
        if path == STDIN:
            yield wanted.stdin_name, wanted.skip_unrecognised, sys.stdin.buffer.read()
        elif os.path.isdir(path):
            for item in walk(path, lambda name: wanted.settings_for(name).excludes(name)):
                yield item, True, None
        elif not (wanted.skip_unrecognised and wanted.settings_for(path).excludes(path)):
            yield path, wanted.skip_unrecognised, None
