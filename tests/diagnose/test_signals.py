"""The table of signals, and how a signal is held against its limits."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_doctor.symptoms.signals import KINDS, PROVENANCES, Limit, Signal, Spec, read_signal, specs
from lora_doctor.symptoms.verdict import NO, PRIOR, YES, probability

RULES = Path(__file__).parents[2] / "rules" / "symptoms"


@pytest.mark.parametrize("spec", specs().values(), ids=specs())
def test_every_limit_says_where_it_comes_from(spec: Spec) -> None:
    assert spec.kind in KINDS
    assert spec.judged in ("last", "peak", "median")
    for key, limit in spec.limits.items():
        assert limit.provenance in PROVENANCES
        assert limit.source or limit.provenance in ("not yet calibrated", "certain"), f"{spec.name}, {key}: no source"
        assert (limit.alarm <= limit.warn) if spec.lower else (limit.alarm >= limit.warn)
        assert limit.enough >= 1
        assert limit.weight > 0
        assert limit.clean >= 0


def test_rules_name_signals_that_exist_and_every_judged_signal_has_a_rule() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in RULES.glob("*.py"))
    code = re.sub(r'""".*?"""', "", text, flags=re.S)
    named = {name for name in re.findall(r'"([a-z_0-9]+)"', code) if name in specs()}
    judged = {name for name, spec in specs().items() if spec.limits}
    assert judged - named == set()
    for group in re.findall(r"(?:main|also)=\(([^)]*)\)", code):
        assert set(re.findall(r'"(\w+)"', group)) <= set(specs())


SPEC = Spec("x", "a share", "images", "share")
LIMIT = Limit(0.2, 0.5, weight=1.0, clean=0.5, enough=10)
VALUES = st.lists(st.floats(-1, 2), min_size=1, max_size=12)


@given(VALUES, st.sampled_from(["last", "peak", "median"]), st.booleans(), st.integers(1, 40))
def test_a_reading(values: list[float], judged: str, lower: bool, count: int) -> None:
    steps = tuple(range(100, 100 * len(values) + 1, 100))
    limit = LIMIT._replace(warn=-0.2, alarm=-0.5) if lower else LIMIT
    signal = Signal("x", steps, tuple(values), (count,) * len(values))
    found = read_signal(signal, SPEC._replace(judged=judged, lower=lower), limit)
    sign = -1 if lower else 1
    assert found.value in values
    if judged == "peak":
        assert all(sign * found.value >= sign * value for value in values)
    if judged == "last":
        assert found.value == values[-1]
    assert (found.level == "clean") == (sign * found.value < 0.2)
    assert -0.5 <= found.weight <= 1.0
    assert (found.weight > 0) == found.raised
    assert (found.since is None) == (not found.raised)


def test_when_it_began() -> None:
    def since(*values: float) -> int | None:
        steps = tuple(range(100, 100 * len(values) + 1, 100))
        return read_signal(Signal("x", steps, values), SPEC, LIMIT).since

    assert since(0, 0, 0.3, 0.4, 0.6) == 300
    assert since(0.3, 0, 0, 0, 0.6) == 500
    assert since(0, 0.3, 0.1, 0.3, 0.3) == 200
    assert since(0, 0, 0) is None


def test_few_images_weigh_less() -> None:
    def weight(count: int, *values: float) -> float:
        return read_signal(Signal("x", tuple(range(len(values))), values, (count,) * len(values)), SPEC, LIMIT).weight

    assert weight(2, 0.6) == pytest.approx(0.2)
    assert weight(2, 0.6, 0.6, 0.6) == pytest.approx(0.6)
    assert weight(2, 0, 0, 0.6) == pytest.approx(0.2)
    assert weight(50, 0.6) == 1.0
    assert weight(50, 0.1) == -0.5


def test_nothing_is_certain_by_default() -> None:
    assert NO < probability([], []) < YES
    raised = read_signal(Signal("x", (1,), (0.9,), (10,)), SPEC, LIMIT)
    clean = read_signal(Signal("x", (1,), (0.0,), (10,)), SPEC, LIMIT)
    assert probability([raised]) == pytest.approx(1 / (1 + 10 ** -(PRIOR + 1)))
    assert probability([raised, clean]) == probability([raised]), "another way to see it that sees nothing"
    assert probability([clean], [clean]) == probability([clean]), "further evidence only adds"
    assert probability([raised], [raised] * 9) <= 0.9, "of one kind"
