"""One process per run folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from lora_doctor.source.document import SourceError
from lora_doctor.train.folder import RunFolder


@contextmanager
def alone(folder: RunFolder, where: str = "") -> Iterator[None]:
    """Make the run folder, and keep other processes out of it while inside; a killed process leaves no lock behind.

    Raises:
        SourceError: the folder can't be made or written, or somebody trains in it.
    """
    try:
        folder.root.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder.lock, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        named = f"{folder.root}{f' ({where})' if where else ''}"
        raise SourceError(f"the run folder {named} can't be written: {why}; give another --output") from None
    try:
        if not _locked(handle):
            raise SourceError(f"another process is training in {folder.root}: wait for it, or give another --output")
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    """Take the lock; with several processes of one run (accelerate launch), the first takes it for all."""
    if int(os.environ.get("RANK", "0")) > 0:
        return True
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
