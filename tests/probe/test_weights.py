"""Norms and directions of an adapter's growth, against the update itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from lora_doctor.probe.weights import WeightProbe, factors_of
from lora_doctor.train import adapters

from .test_probe import Case, case  # noqa: F401 (a fixture)


@pytest.fixture
def alone(case: Case) -> Iterator[Case]:  # noqa: F811
    weights = adapters.trainable(case.family, case.models)
    before = {name: weight.detach().clone() for name, weight in weights.items()}
    yield case
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(before[name])


def _moved(case: Case, seed: int, size: float = 0.1) -> None:  # noqa: F811
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in adapters.trainable(case.family, case.models).values():
            weight.add_(torch.randn_like(weight) * size)


def _update(case: Case) -> torch.Tensor:  # noqa: F811
    parts = [(each.scale * each.up @ each.down).flatten() for each in factors_of(case.models).values()]
    return torch.cat(parts).double()


def test_against_the_update_itself(alone: Case) -> None:
    probe = WeightProbe()
    first = probe(alone.models)
    assert first.norm == 0
    assert (first.moved, first.cosine, first.unchanged, first.stable_rank) == (None, None, None, None)
    updates = [_update(alone)]
    growths = [first]
    for seed in range(3):
        _moved(alone, seed)
        updates.append(_update(alone))
        growths.append(probe(alone.models))
    for place in (1, 2, 3):
        norm = float(updates[place].norm())
        change = updates[place] - updates[place - 1]
        assert growths[place].norm == pytest.approx(norm, rel=1e-4)
        assert growths[place].moved == pytest.approx(float(change.norm()) / norm, rel=1e-3)
        assert growths[place].unchanged == pytest.approx(0, abs=0.01)
    for place in (2, 3):
        change, before = updates[place] - updates[place - 1], updates[place - 1] - updates[place - 2]
        expected = float(torch.dot(change, before) / (change.norm() * before.norm()))
        assert growths[place].cosine == pytest.approx(expected, abs=1e-3)
    ranks = []
    for each in factors_of(alone.models).values():
        values = torch.linalg.svdvals(each.scale * each.up @ each.down)
        ranks.append(float((values**2).sum() / values[0] ** 2))
    assert growths[3].stable_rank == pytest.approx(sorted(ranks)[len(ranks) // 2], rel=0.2)
    assert len(growths[3].largest) == 3


def test_steps_that_are_lost_to_rounding(alone: Case) -> None:
    probe = WeightProbe()
    _moved(alone, 0)
    probe(alone.models)
    still = probe(alone.models)
    assert still.unchanged == 1
    assert still.moved == 0
    assert still.cosine is None
    weights = adapters.trainable(alone.family, alone.models)
    with torch.no_grad():
        for weight in weights.values():
            weight.data = weight.data.to(torch.bfloat16)
            weight.add_(1.0)
    probe(alone.models)
    with torch.no_grad():
        for weight in weights.values():
            weight.add_(1e-4)  # less than half a unit in the last place of bf16 near 1
    assert (probe(alone.models).unchanged or 0) > 0.9
    with torch.no_grad():
        for weight in weights.values():
            weight.data = weight.data.float()
