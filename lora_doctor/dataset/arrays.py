"""The optional packages of the exam, imported in one place."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

from lora_doctor.source.document import SourceError

Array = Any  # numpy.ndarray; numpy is no dependency of the base install
PACKAGES = {"numpy": "numpy", "cv2": "opencv-python-headless", "PIL": "pillow"}


def missing() -> list[str]:
    """Names of the packages the exam needs and this Python lacks; nothing is imported."""
    return [title for name, title in PACKAGES.items() if find_spec(name) is None]


def need() -> None:
    """Raise the sentence that says what to install; called before numpy is imported.

    The eigenvalues of a set are a matter of milliseconds on one core. OpenBLAS spreads them over all, and where those
    are busy its threads wait for one another for seconds.

    Raises:
        SourceError: a package is missing.
    """
    lacking = missing()
    if lacking:
        raise SourceError(f"looking at images needs {', '.join(lacking)}: pip install 'lora-doctor[data]'")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def single_threaded() -> None:
    """One core per process: the work is spread over processes. Must be called before numpy is imported."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    import cv2

    cv2.setNumThreads(1)


def keep_memory() -> None:
    """Let glibc reuse an image's memory for the next one instead of handing it back: a third of the time is saved."""
    import ctypes
    import sys

    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-3, 32 * 1024 * 1024)  # M_MMAP_THRESHOLD, bytes; glibc takes no more
        mallopt(-1, 96 * 1024 * 1024)  # M_TRIM_THRESHOLD, bytes kept at the top of the heap
    except (AttributeError, OSError):  # another C library
        return
