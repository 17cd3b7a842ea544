"""The best checkpoints, on curves of public runs and on drawn ones."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lora_doctor.symptoms.window import best_window, curve_of, vertex

from .curves import SPACEPXL, rows_of


def test_a_public_run_judged_by_eye() -> None:
    rows = rows_of({step: percent / 100 for step, percent in SPACEPXL.items()}, scatter=0.5)
    found = best_window(rows, list(range(1000, 10001, 1000)))
    assert found.verdict == "found"
    assert found.pick == 2000
    assert found.first in (1000, 2000)
    assert found.last in (4000, 5000)
    assert found.optimum == pytest.approx(1900, abs=150)
    assert found.confidence > 0.9
    assert "use step 2,000; steps" in found.sentence


def test_a_small_model_that_learns_most_of_it() -> None:
    curve = {0: 0.0, 50: -0.45, 100: -0.62, 150: -0.66, 200: -0.64, 300: -0.5, 400: -0.3, 600: 0.1}
    found = best_window(rows_of(curve, images=6, scatter=0.1), [50, 100, 150, 200, 300, 400, 600])
    assert (found.pick, found.first, found.last) == (200, 100, 300), "the last that is as good as the best"
    assert "90%" in found.opens
    assert found.closes.startswith("at step 400 the loss has risen by")


def test_still_falling() -> None:
    curve = {step: -0.4 * (1 - math.exp(-step / 400)) for step in range(0, 1001, 100)}
    found = best_window(rows_of(curve), [250, 500, 750, 1000])
    assert found.verdict == "train longer"
    assert found.pick == 1000
    assert "train longer" in found.sentence


def test_the_best_was_not_saved() -> None:
    curve = {0: 0.0, 50: -0.5, 100: -0.6, 200: -0.3, 400: 0.2, 800: 0.8}
    found = best_window(rows_of(curve), [250, 500, 750])
    assert found.verdict == "save more often"
    assert found.pick == 250
    assert "save more often, or lower the learning rate" in found.sentence


def test_nothing_learned_and_nothing_measured() -> None:
    assert best_window(rows_of({0: 0.0, 100: 0.02, 200: 0.05}), [100, 200]).verdict == "nothing learned"
    noisy = rows_of(dict.fromkeys(range(0, 501, 100), 0.0))
    for nth, row in enumerate(noisy):
        row["losses"] = [
            [v * (1 + 0.02 * math.sin(9 * nth + i)) for v in image] for i, image in enumerate(row["losses"])
        ]
    assert best_window(noisy, [100, 200, 300]).verdict == "nothing learned"
    assert best_window([], [100]).verdict == "unknown"
    assert best_window(rows_of({0: 0.0, 100: -0.1}), [100]).verdict == "unknown"
    assert best_window(rows_of({0: 0.0, 100: -0.1, 200: -0.2}), []).verdict == "unknown"


def test_a_prompt_that_is_ignored_ends_the_window() -> None:
    curve = {0: 0.0, 100: -0.3, 200: -0.4, 300: -0.39, 400: -0.38, 500: -0.37}
    rows = rows_of(curve)
    told = [{"step": step, "monitor": "prompts", "sensitivity": 1.0 - step / 1000} for step in range(0, 501, 100)]
    assert best_window(rows, [100, 200, 300, 400, 500]).last == 500
    found = best_window([*rows, *told], [100, 200, 300, 400, 500])
    assert found.last == 300
    assert "the prompt counts for 60%" in found.closes


def test_few_images_and_shifted_ones_are_less_sure() -> None:
    curve = {0: 0.0, 100: -0.3, 200: -0.5, 300: -0.3, 400: 0.0}
    saved = [100, 200, 300, 400]
    assert best_window(rows_of(curve), saved).confidence == 1
    assert best_window(rows_of(curve, images=2), saved).confidence == 0.5
    shifted = best_window(rows_of(curve, on="shifted"), saved)
    assert (shifted.confidence, shifted.on, shifted.pick) == (0.5, "shifted", 200)
    both = best_window([*rows_of({0: 0.0, 100: -0.5, 200: -0.6, 300: -0.7}, on="shifted"), *rows_of(curve)], saved)
    assert (both.on, both.pick) == ("held_out", 200)


def test_images_that_disagree_make_it_less_sure() -> None:
    """Half of the images are best at step 100, half at 400: no draw is like the other."""
    early = rows_of({0: 0.0, 100: -0.5, 200: -0.2, 300: 0.0, 400: 0.2}, images=6)
    late = rows_of({0: 0.0, 100: 0.0, 200: -0.1, 300: -0.3, 400: -0.5}, images=6)
    rows = [{**one, "losses": one["losses"] + other["losses"]} for one, other in zip(early, late)]
    assert best_window(rows, [100, 200, 300, 400]).confidence < 0.9


def test_the_base_is_measured_without_the_adapter() -> None:
    rows = rows_of({0: -0.2, 100: -0.4, 200: -0.5, 300: -0.4})
    [base] = rows_of({0: 0.0})
    curve = curve_of([*rows, {**base, "base": True}], "held_out")
    assert curve is not None
    assert curve.steps == (0, 100, 200, 300)
    mean = [sum(image[k] for image in curve.losses) / len(curve.losses) for k in range(4)]
    assert mean == pytest.approx([0.8, 0.6, 0.5, 0.6], abs=1e-9)


def test_a_diverged_step_is_never_chosen() -> None:
    rows = rows_of({0: 0.0, 100: -0.3, 200: -0.4, 300: -0.4, 400: -0.4})
    rows[3]["losses"] = [[None] * 4 for _ in range(16)]
    found = best_window(rows, [100, 200, 300, 400])
    assert found.pick == 200
    assert found.last == 200
    assert found.closes == "at step 300 it diverged"


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.floats(-0.9, 3), min_size=2, max_size=10),
    st.sets(st.integers(1, 1000), min_size=1, max_size=6),
    st.integers(1, 5),
)
def test_whatever_the_curve_the_answer_is_consistent(shares: list[float], saved: set[int], images: int) -> None:
    curve = {0: 0.0, **{100 * (i + 1): share for i, share in enumerate(shares)}}
    found = best_window(rows_of(curve, images=images), sorted(saved))
    assert found.sentence
    assert 0 <= found.confidence <= 1
    if found.pick is None:
        assert found.verdict in ("unknown", "nothing learned")
        return
    assert found.first is not None
    assert found.last is not None
    assert found.optimum is not None
    assert {found.pick, found.first, found.last} <= saved
    assert found.first <= found.pick <= found.last
    assert 0 <= found.optimum <= 100 * len(shares)
    assert json.dumps(found)


@given(st.floats(2, 8), st.floats(-5, 5), st.floats(0.1, 5))
def test_the_vertex_of_a_parabola_is_found_exactly(at: float, lowest: float, bend: float) -> None:
    steps = [0, 2, 5, 7, 10]
    step, value = vertex(steps, [lowest + bend * (x - at) ** 2 for x in steps])
    assert step == pytest.approx(at, abs=1e-6)
    assert value == pytest.approx(lowest, abs=1e-6)


def test_it_needs_no_package() -> None:
    code = (
        "import sys; import lora_doctor.symptoms.window; "
        "print({'numpy', 'torch', 'PIL', 'cv2', 'dataclasses'} & {m.partition('.')[0] for m in sys.modules})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
