"""Noise levels: their distributions, and the shifts."""

from __future__ import annotations

import math

import pytest
import torch

from lora_doctor.train.noise import SAMPLINGS, draw, shift_of, shifted


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_draws_have_their_distribution(sampling: str) -> None:
    drawn = draw(sampling, 20000, torch.Generator().manual_seed(0)).double().sort().values
    place = (torch.arange(20000) + 0.5) / 20000
    normal = torch.special.ndtr(torch.logit(drawn))  # where a logit-normal has these numbers
    expected = drawn if sampling == "uniform" else normal
    assert (expected - place).abs().max() < 0.015  # Kolmogorov and Smirnov: 1.63 / sqrt(20000) at 1 %
    assert drawn[0] > 0
    assert drawn[-1] < 1


def test_other_names_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown timestep sampling 'mode'"):
        draw("mode", 1)


def test_shift_is_the_schedulers(capsys: pytest.CaptureFixture[str]) -> None:
    """The same sigmas that diffusers' scheduler makes of the same shift, fixed and by token count."""
    from diffusers import FlowMatchEulerDiscreteScheduler
    from diffusers.pipelines.flux.pipeline_flux import calculate_shift

    sigmas = torch.linspace(0.1, 1, 10)
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(sigmas=sigmas.flip(0).tolist())
    assert torch.allclose(scheduler.sigmas[:-1].flip(0), shifted(sigmas, 3.0), atol=1e-6)
    for tokens in (64, 256, 1024, 4096):
        mu = calculate_shift(tokens, 256, 4096, 0.5, 1.15)
        assert shift_of(tokens) == pytest.approx(math.exp(mu))
        dynamic = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
        dynamic.set_timesteps(sigmas=sigmas.flip(0).tolist(), mu=mu)
        assert torch.allclose(dynamic.sigmas[:-1].flip(0), shifted(sigmas, shift_of(tokens)), atol=1e-6)
