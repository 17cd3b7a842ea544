"""Looking at a model without leaving a trace: nothing random is drawn, nothing is trained, no mode stays changed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch

from lora_doctor.train.families import evaluating
from lora_doctor.train.watch import State


@contextmanager
def aside(state: State) -> Iterator[None]:
    """Inside, the model has the weights that are saved, dropout is off and no gradient is kept.

    Afterwards the random numbers of Python, numpy and torch go on as if nothing had been; the peak of the GPU's memory
    is again that of training, and what was held for this is given back.
    """
    python, numbers = random.getstate(), np.random.get_state()
    cuda = state.models.device.type == "cuda"
    peak = torch.cuda.max_memory_allocated(state.models.device) if cuda else 0
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[state.models.device] if cuda else []))
        stack.enter_context(torch.no_grad())
        for part in (state.models.denoiser, *state.models.text_encoders):
            stack.enter_context(evaluating(part))
        stack.enter_context(state.averaged())
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numbers)
            if cuda:
                _settle(state, peak)


def _settle(state: State, peak: int) -> None:
    torch.cuda.empty_cache()
    if torch.cuda.max_memory_allocated(state.models.device) > peak:
        torch.cuda.reset_peak_memory_stats(state.models.device)
