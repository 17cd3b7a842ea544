"""The files in a folder that can be configs: what git ignores, hidden folders and environments are passed over."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from lora_doctor.dialects.reader import Problem
from lora_doctor.source.read import syntax_of

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

SKIPPED = frozenset({"node_modules", "__pycache__", "site-packages", "venv"})


class Ignore(NamedTuple):
    """The patterns of one .gitignore, which hold below its folder."""

    folder: str
    spec: GitIgnoreSpec


def walk(folder: str, excludes: Callable[[str], bool] = lambda path: False) -> Iterator[str | Problem]:
    """Paths below `folder`, sorted, and a problem for each folder that can't be listed.

    Links to folders are not followed; a file behind a link is one like any other.
    """
    problems: list[Problem] = []

    def refuse(error: OSError) -> None:
        problems.append(Problem(str(error.filename), f"can't be listed: {(error.strerror or str(error)).lower()}"))

    ignores = {folder: _above(folder)}
    for root, folders, files in os.walk(folder, onerror=refuse):
        here = (*ignores.pop(root), *_gitignore(root))
        inner = (name for name in sorted(folders) if not _skips(root, name))
        folders[:] = [name for name in inner if not _is_out(os.path.join(root, name), True, here, excludes)]
        ignores |= {os.path.join(root, name): here for name in folders}
        for name in sorted(files):
            path = os.path.join(root, name)
            if syntax_of(name) is not None and not _is_out(path, False, here, excludes):
                yield path.removeprefix(f".{os.sep}")
    yield from problems


def _skips(root: str, name: str) -> bool:
    return name.startswith(".") or name in SKIPPED or os.path.exists(os.path.join(root, name, "pyvenv.cfg"))


def _is_out(path: str, is_folder: bool, ignores: tuple[Ignore, ...], excludes: Callable[[str], bool]) -> bool:
    """As git decides: the deepest file with a matching pattern has the say, and its last such pattern."""
    if excludes(path):
        return True
    for ignore in reversed(ignores):
        relative = os.path.relpath(path, ignore.folder).replace(os.sep, "/")
        decided = ignore.spec.check_file(relative + "/" * is_folder).include
        if decided is not None and relative != ".":
            return decided
    return False


def _above(folder: str) -> tuple[Ignore, ...]:
    """Patterns that hold in `folder` from outside; none where git ignores the folder itself, which the user named."""
    found = _repository(folder)
    return () if found and _is_out(os.path.abspath(folder), True, found, lambda path: False) else found


def _repository(folder: str) -> tuple[Ignore, ...]:
    """Patterns from the folders between the repository's root and `folder`, and the repository's own exclude file."""
    found: list[Ignore] = []
    here = os.path.abspath(folder)
    while True:
        if os.path.exists(os.path.join(here, ".git")):
            return (*_read(os.path.join(here, ".git", "info", "exclude"), here), *found)
        above = os.path.dirname(here)
        if above == here:
            return ()  # no repository: only the .gitignore files that are walked through count
        found = [*_gitignore(above), *found]
        here = above


def _gitignore(folder: str) -> tuple[Ignore, ...]:
    return _read(os.path.join(folder, ".gitignore"), folder)


def _read(path: str, folder: str) -> tuple[Ignore, ...]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return ()
    from pathspec import GitIgnoreSpec

    try:
        return (Ignore(os.path.abspath(folder), GitIgnoreSpec.from_lines(lines)),)
    except ValueError:  # a pattern that git would pass over, such as a lone `!`
        return ()
