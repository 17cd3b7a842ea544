"""A file is written beside its place and renamed, so that nobody ever sees half of it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from lora_doctor.source.document import SourceError


def write_beside(path: Path, data: bytes) -> None:
    """Replace a file, keeping its mode; a link stays and what it points to is replaced.

    Raises:
        SourceError: the file or its folder can't be written.
    """
    target = os.path.realpath(path)
    try:
        mode = os.stat(path).st_mode if os.path.exists(path) else None
        if mode is None:
            _replace(target, data, 0o666 & ~_umask())
        elif not stat.S_ISREG(mode):  # a pipe or a device is written to, never replaced
            Path(path).write_bytes(data)
        elif mode & 0o222 and os.access(target, os.W_OK):
            _replace(target, data, stat.S_IMODE(mode))
        else:
            raise SourceError("is read-only, so it is not written")
    except OSError as error:
        raise SourceError(f"can't be written: {(error.strerror or str(error)).lower()}") from None


def _replace(target: str, data: bytes, mode: int) -> None:
    import tempfile

    folder, name = os.path.split(target)
    handle, beside = tempfile.mkstemp(prefix=f".{name[:64]}.", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(beside, mode)
        os.replace(beside, target)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(beside)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
