"""When files of a dataset were last changed: what an old cache is compared with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

MAX_LOOKED_AT = 5000  # files whose time is read for one dataset
MARGIN = 2.0  # seconds: copying a folder writes its files in any order


def changed(folder: Path, names: Iterable[str]) -> dict[str, float]:
    """Seconds since 1970 at which each file was last changed; files that can't be read are left out."""
    times = {}
    for name in list(names)[:MAX_LOOKED_AT]:
        try:
            times[name] = (folder / name).stat().st_mtime
        except OSError:
            continue
    return times


def newer(folder: Path, names: Iterable[str], moment: float) -> list[str]:
    """The files changed after `moment`, by more than the margin."""
    return [name for name, time in changed(folder, names).items() if time > moment + MARGIN]
