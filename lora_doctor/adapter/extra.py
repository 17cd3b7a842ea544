"""The optional packages: asked for before they are imported, so that a missing one is one sentence."""

from __future__ import annotations

from importlib.util import find_spec

from lora_doctor.adapter.read import AdapterError


def need(*packages: str, extra: str = "data") -> None:
    """Raise AdapterError, with the command that installs it, for the first package that is missing."""
    for package in packages:
        if find_spec(package) is None:
            raise AdapterError(f"this needs {package}, which is not installed: pip install 'lora-doctor[{extra}]'")
