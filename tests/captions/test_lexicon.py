"""The lexicon of caption details stays as good as its benchmark says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "caption_lexicon.py"


def benchmark() -> Any:
    spec = importlib.util.spec_from_file_location("caption_lexicon", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_recall_and_precision_on_captions_that_the_words_were_not_chosen_by() -> None:
    measured = benchmark()
    counts = measured.rates(measured.SECOND)
    right, false, missed = (sum(each) for each in zip(*counts.values()))
    assert right / (right + false) >= 0.88
    assert right / (right + missed) >= 0.80
    assert all(found / (found + wrong) >= 0.7 for found, wrong, _ in counts.values())
