"""Without torch, everything here is skipped."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest

WITH_TORCH = all(importlib.util.find_spec(name) for name in ("torch", "diffusers", "peft", "transformers"))
collect_ignore_glob = [] if WITH_TORCH else ["test_*.py"]


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny matrices gain nothing from threads, and sums come out in one order."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
