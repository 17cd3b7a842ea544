"""PEFT's LoRA layer in fewer kernels: what is added is multiplied by B, scaled and added in one.

PEFT multiplies by B, scales and adds one after the other, forward and backward, each time over the whole output.
Adapters that are switched off, merged or of another kind (DoRA) go PEFT's own way.
"""

from __future__ import annotations

from typing import Any

from peft.tuners import lora
from torch import Tensor, nn


class Linear(lora.Linear):  # type: ignore[misc]  # PEFT has no types
    """W x + scale * B A x, to rounding what PEFT's layer gives."""

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """The base layer's output of `[..., in]` and what one active adapter adds to it: `[..., out]`."""
        names = self.active_adapters
        apart = self.disable_adapters or self.merged or self.lora_variant or len(names) != 1
        if args or kwargs or apart or x.dim() < 2:
            other: Tensor = super().forward(x, *args, **kwargs)
            return other
        down, up = self.lora_A[names[0]].weight, self.lora_B[names[0]].weight
        rows = x.flatten(0, -2)
        given: Tensor = self.base_layer(rows)
        inner = nn.functional.linear(self.lora_dropout[names[0]](rows).to(down.dtype), down)
        # in place: neither a matrix product nor a conversion needs its own result for the backward pass
        whole = given.to(up.dtype).addmm_(inner, up.T, alpha=self.scaling[names[0]])
        return whole.to(given.dtype).view(*x.shape[:-1], -1)


def quicken(module: nn.Module) -> None:
    """Make every plain LoRA layer of a module one of these; quantised ones stay, they have ways of their own."""
    for layer in module.modules():
        if type(layer) is lora.Linear:
            layer.__class__ = Linear
