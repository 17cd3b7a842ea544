"""What the trainers' modules share: names matched by a pattern, and runs told apart by the name they were given."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from lora_doctor.runs.facts import Checkpoint, Files
from lora_doctor.runs.logs import is_events

IMAGE = r"\.(?:png|jpe?g|webp)"


def matching(files: Files, pattern: re.Pattern[str]) -> Iterator[tuple[str, re.Match[str]]]:
    """The names that a pattern fits as a whole."""
    for name in files.names:
        found = pattern.fullmatch(name)
        if found:
            yield name, found


def events(files: Files, within: str = "") -> tuple[str, ...]:
    """Event files below a folder."""
    return tuple(name for name in files.names if name.startswith(within) and is_events(name))


def ending(files: Files, *suffixes: str) -> tuple[str, ...]:
    """Files with one of these endings that lie in the folder itself or one below, the nearest first."""
    found = [name for name in files.names if name.lower().endswith(suffixes) and name.count("/") <= 1]
    return tuple(sorted(found, key=lambda name: (name.count("/"), name)))


def one_run(checkpoints: Iterable[Checkpoint]) -> tuple[tuple[Checkpoint, ...], tuple[str, ...]]:
    """The checkpoints of the run with most of them (of equals, the one that wrote last), and the names of the others.

    Files without a number that are alone with their name are no runs: merges and downloads lie about like that.
    """
    listed = list(checkpoints)
    counts = Counter(each.name for each in listed if not each.final)
    if not counts:
        return tuple(listed), ()
    most = max(counts, key=lambda name: (counts[name], max(map(_changed, _named(listed, name)))))
    kept = tuple(_named(listed, most))
    return kept, tuple(sorted({each.name for each in listed} - {most}))


def _named(checkpoints: Sequence[Checkpoint], name: str) -> list[Checkpoint]:
    return [each for each in checkpoints if each.name == name]


def _changed(checkpoint: Checkpoint) -> float:
    try:
        return checkpoint.path.stat().st_mtime
    except OSError:
        return 0.0
