"""The schedules' curves are those of diffusers, value by value."""

from __future__ import annotations

import pytest
import torch
from diffusers.optimization import get_scheduler

from lora_doctor.dialects.native_fields import SCHEDULERS
from lora_doctor.source.document import SourceError
from lora_doctor.train.job import Schedule
from lora_doctor.train.schedules import factor

STEPS = 40
ARGUMENTS = {"step_rules": "1:5,0.1:20,0.01", "num_cycles": 3, "power": 2.0}


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("warmup", [0, 7])
def test_as_in_diffusers(name: str, warmup: int) -> None:
    ours = Schedule(name, warmup, cycles=3, power=2.0, rules="1:5,0.1:20,0.01", final_learning_rate=1e-7)
    if name != "polynomial":  # the only one that has an end of its own there
        ours = ours._replace(final_learning_rate=0.0)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=3e-4)
    theirs = get_scheduler(name, optimizer, num_warmup_steps=warmup, num_training_steps=STEPS, **ARGUMENTS)
    for done in range(STEPS):
        assert 3e-4 * factor(ours, done, STEPS, 3e-4) == pytest.approx(theirs.get_last_lr()[0], rel=1e-9, abs=1e-12)
        optimizer.step()
        theirs.step()


@pytest.mark.parametrize("name", ["linear", "cosine", "polynomial"])
def test_it_ends_where_it_is_told(name: str) -> None:
    schedule = Schedule(name, 5, final_learning_rate=2e-5)
    assert factor(schedule, STEPS, STEPS, 1e-4) == pytest.approx(0.2)
    assert factor(schedule, 5, STEPS, 1e-4) == 1.0


@pytest.mark.parametrize("rules", ["", "1:x,2", "1,2,3", "1:2:3,4"])
def test_broken_rules_are_a_sentence(rules: str) -> None:
    with pytest.raises(SourceError, match="factor:step pairs"):
        factor(Schedule("piecewise_constant", rules=rules), 0, STEPS, 1e-4)
