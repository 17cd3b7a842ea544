"""State on disk and a line in the log: what makes pretraining resumable and watchable."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


def save_state(path: Path, model: Any, optimizer: Any, step: int, **extra: Any) -> None:
    """Weights, optimiser and step, written beside and renamed."""
    partial = path.with_suffix(".tmp")
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step, **extra}, partial)
    partial.replace(path)


def load_state(path: Path, model: Any, optimizer: Any) -> int:
    """The step to go on from; 0 where there is no state."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True, map_location="cpu")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])


class Clock:
    """A log of smoothed loss, rate and time left."""

    def __init__(self, path: Path, steps: int, batch: int, start: int = 0) -> None:
        self.path, self.steps, self.batch, self.start = path, steps, batch, start
        self.began = time.monotonic()
        self.smooth: float | None = None

    def tell(self, step: int, loss: float, every: int = 100) -> None:
        """Takes a step's loss; a line every `every` steps."""
        self.smooth = loss if self.smooth is None else 0.98 * self.smooth + 0.02 * loss
        if (step + 1) % every == 0:
            took = time.monotonic() - self.began
            rate = (step + 1 - self.start) / took
            left = (self.steps - step - 1) / rate / 60
            self.say(
                f"{step + 1}/{self.steps} loss {self.smooth:.4f} {rate * self.batch:.0f} img/s, {left:.0f} min left"
            )

    def say(self, line: str) -> None:
        """A line in the log and on the terminal."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        print(line, flush=True)


def descend(
    model: nn.Module,
    loss: Callable[[int], Tensor],
    state: Path,
    span: tuple[int, int],
    rate: float,
    decay: float,
    every: int,
    look: Callable[[Clock, int], None] = lambda clock, step: None,
) -> None:
    """AdamW from `loss(step)`, or on from `state` (`vae.pt`, its log beside it); the rate falls by half a cosine.

    `span`: steps in all, and examples of one. Every so many steps the state is kept and `look(clock, step)` called.
    """
    steps, batch = span
    optimizer = torch.optim.AdamW(model.parameters(), rate, betas=(0.9, 0.98), weight_decay=decay)
    start = load_state(state, model, optimizer)
    clock = Clock(state.with_suffix(".log"), steps, batch, start)
    for step in range(start, steps):
        lost = loss(step)
        optimizer.zero_grad(set_to_none=True)
        lost.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        optimizer.step()
        clock.tell(step, lost.item())
        if (step + 1) % every == 0 or step + 1 == steps:
            save_state(state, model, optimizer, step + 1)
            look(clock, step + 1)
