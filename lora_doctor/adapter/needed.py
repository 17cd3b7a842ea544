"""Files that a LoRA must be loaded together with: what its metadata says that it was trained on top of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

KEY = "load_with"  # JSON, one entry per file, with `file` and `sha256`


class Needed(NamedTuple):
    """A file that has to be loaded too, at strength 1."""

    file: str
    sha256: str


def needed_by(metadata: Mapping[str, str]) -> tuple[Needed, ...]:
    """What a LoRA's metadata names; nothing for files of other programs, or where the entry can't be read."""
    try:
        return tuple(Needed(str(each["file"]), str(each["sha256"])) for each in json.loads(metadata.get(KEY, "[]")))
    except (ValueError, TypeError, KeyError):
        return ()
