"""How much memory a run takes: the GPU's where it computes there, else the process'."""

from __future__ import annotations

import sys
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
