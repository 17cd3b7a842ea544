"""Memory: how much a run takes (of the GPU where it computes there, else of the process), and giving it back."""

from __future__ import annotations

import ctypes
import gc
import sys
from contextlib import suppress
from typing import Any

import torch


def used(device: Any) -> tuple[float, float | None]:
    """GB at the peak, and GB there are in all (None where that is not known)."""
    where = torch.device(device)
    if where.type == "cuda":
        whole = torch.cuda.get_device_properties(where).total_memory
        return torch.cuda.max_memory_allocated(where) / 1e9, whole / 1e9
    try:
        import resource
    except ImportError:  # Windows
        return 0.0, None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e9, None


def emptied(module: torch.nn.Module) -> None:
    """Let go of a module's weights, whoever still holds the module: it can't be used any more."""
    for tensor in (*module.parameters(), *module.buffers()):
        tensor.data = tensor.data.new_empty(0)


def give_back() -> None:
    """Hand what was freed back to the system, as glibc does not by itself, and the GPU's to others."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if sys.platform == "linux":
        with suppress(AttributeError, OSError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)
