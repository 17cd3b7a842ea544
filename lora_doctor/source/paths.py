"""Paths that may be on another drive than the folder they are told from, which only Windows has."""

from __future__ import annotations

import os


def relative(path: str | os.PathLike[str], start: str = os.curdir) -> str:
    """The path as seen from `start`; the whole path where no way leads there (`D:` from `C:`)."""
    try:
        return os.path.relpath(path, start)
    except ValueError:
        return os.path.abspath(path)
