"""A file is written beside its place and renamed, so that nobody ever sees half of it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from lora_doctor.source.document import SourceError


def write_beside(path: Path, data: bytes) -> None:
    """Replace a file, keeping its mode; a link stays and what it points to is replaced.

    Raises:
        SourceError: the file or its folder can't be written.
    """
    import tempfile

    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    beside = ""
    try:
        mode = os.stat(target).st_mode & 0o7777 if os.path.exists(target) else None
        if mode is not None and not (mode & 0o222 and os.access(target, os.W_OK)):
            raise SourceError("is read-only, so it is not written")
        handle, beside = tempfile.mkstemp(prefix=f".{name[:64]}.", dir=folder)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(beside, mode if mode is not None else 0o666 & ~_umask())
        os.replace(beside, target)
    except OSError as error:
        raise SourceError(f"can't be written: {(error.strerror or str(error)).lower()}") from None
    finally:
        with suppress(OSError):
            os.unlink(beside)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
