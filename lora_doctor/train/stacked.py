"""Layers that add the updates of other LoRAs to their output, whatever their own weights are stored in."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn


class Stacked:
    """Mixed into a linear layer's or a convolution's class; `beneath` updates, each a `down` and an `up`."""

    beneath: int

    def forward(self, x: Tensor) -> Tensor:
        """The layer's own output and every update's."""
        given: Tensor = super().forward(x)  # type: ignore[misc]
        return self.added(x, given)

    def added(self: Any, x: Tensor, given: Tensor) -> Tensor:
        """`given`, which the layer makes of `x`, with what every update makes of it."""
        for place in range(self.beneath):
            down, up = getattr(self, f"beneath_{place}_down"), getattr(self, f"beneath_{place}_up")
            inner = x.to(down.dtype)
            if isinstance(self, nn.Linear):
                more = nn.functional.linear(nn.functional.linear(inner, down), up)
            else:
                inner = nn.functional.conv2d(inner, down, None, self.stride, self.padding, self.dilation)
                more = nn.functional.conv2d(inner, up.view(*up.shape[:2], 1, 1))
            given = given + more.to(given.dtype)
        return given


@cache
def _stacked(kind: Any) -> type:
    """The layer's class with the mixin before it: what asks for the class (PEFT, the storage) still finds it."""
    return type(f"Stacked{kind.__name__}", (Stacked, kind), {})


def stack(layer: Any, updates: Iterable[tuple[Tensor, Tensor]], dtype: torch.dtype) -> None:
    """Let a layer add updates (down, up) to its output; buffers: they go where it goes, untrained and unsaved."""
    if not isinstance(layer, Stacked):
        kind: Any = type(layer)
        layer.__class__ = _stacked(kind)
        layer.beneath = 0
    for each in updates:
        for side, value in zip(("down", "up"), each):
            held = value.to(layer.weight.device, dtype)
            layer.register_buffer(f"beneath_{layer.beneath}_{side}", held, persistent=False)
        layer.beneath += 1
