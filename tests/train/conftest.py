"""Tiny pipeline folders, made once per session; without torch, everything here is skipped."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import call as call

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


@pytest.fixture(scope="session")
def klein_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny FLUX.2 Klein pipeline."""
    from .tiny import make_klein

    return make_klein(tmp_path_factory.mktemp("tiny") / "klein")


@pytest.fixture(scope="session")
def sana_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny SANA pipeline."""
    from .tiny import make_sana

    return make_sana(tmp_path_factory.mktemp("tiny") / "sana")


@pytest.fixture(scope="session")
def sdxl_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny SDXL pipeline that predicts epsilon."""
    from .tiny import make_sdxl

    return make_sdxl(tmp_path_factory.mktemp("tiny") / "sdxl")
