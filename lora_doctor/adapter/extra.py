"""The optional packages: asked for before they are imported, so that a missing one is one sentence."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

from lora_doctor.adapter.read import AdapterError


def need(*packages: str, extra: str = "data") -> None:
    """Raise AdapterError, with the command that installs it, for the first package that is missing.

    To be called before numpy is imported: its BLAS then works with one thread, unless the user says otherwise. The
    matrices here are long and thin; on two busy cores two threads took seven times as long as one, waiting in loops.
    """
    if "numpy" not in sys.modules:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for package in packages:
        if find_spec(package) is None:
            raise AdapterError(f"this needs {package}, which is not installed: pip install 'lora-doctor[{extra}]'")
