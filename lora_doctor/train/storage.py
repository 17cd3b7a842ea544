"""Frozen weights kept small or far away: in fp8 with a scale per output, or in main memory.

A layer's weight becomes a parametrisation: whoever asks for it gets it as it computes, and the copy lives as long as
somebody holds it. Autograd holds it until the backward pass, so this saves memory only where blocks are recomputed
there (gradient checkpointing); the mathematics is the same in any case.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization

BLOCKS = frozenset(
    {"Flux2TransformerBlock", "Flux2SingleTransformerBlock", "SanaTransformerBlock", "BasicTransformerBlock"}
)

# Small or sensitive layers, by name; lm_head shares its weight with the embedding.
FULL = re.compile(r"norm|embed|modulation|caption_projection|lm_head|(^|\.)(proj_in|proj_out|conv_in|conv_out)$")
FP8 = torch.float8_e4m3fn


class Fetched(nn.Module):
    """What is stored becomes the weight: on the device, in the format of the activations, scaled."""

    def __init__(self, device: torch.device | None, dtype: torch.dtype, scale: Tensor | None) -> None:
        super().__init__()
        self.device, self.dtype, self.scale = device, dtype, scale

    def forward(self, stored: Tensor) -> Tensor:
        """The weight."""
        weight = stored.to(self.device or stored.device, self.dtype, non_blocking=True)
        return weight if self.scale is None else weight * self.scale.to(weight)


def layers_of(module: nn.Module) -> dict[str, Any]:
    """The layers that hold nearly all weights."""
    return {name: each for name, each in module.named_modules() if isinstance(each, (nn.Linear, nn.Conv2d))}


def blocks_of(denoiser: nn.Module) -> list[nn.Module]:
    """The transformer blocks, in the order they are computed."""
    return [module for module in denoiser.modules() if type(module).__name__ in BLOCKS]


class Packed(NamedTuple):
    """A weight as it is stored, and what it is multiplied by, `[out, 1...]`; None where it is not scaled."""

    stored: Tensor
    scale: Tensor | None

    @property
    def weight(self) -> Tensor:
        """In fp32."""
        return self.stored.float() if self.scale is None else self.stored.float() * self.scale.float()


def store_as(module: nn.Module, stored: torch.dtype, compute: torch.dtype) -> None:
    """Keep the weights of large layers in one format and compute in another, in which all else is kept."""
    done = {id(each.parametrizations.weight.original) for each in layers_of(module).values() if _is_stored(each)}
    fresh = {name: each for name, each in layers_of(module).items() if not _is_stored(each)}
    large = {id(layer.weight): layer for name, layer in fresh.items() if not FULL.search(name)}
    for parameter in module.parameters():
        if id(parameter) not in large and id(parameter) not in done and parameter.is_floating_point():
            parameter.data = parameter.data.to(compute)
    for layer in large.values():
        store_layer(layer, layer.weight.data, stored, compute)


def store_layer(layer: Any, weight: Tensor, stored: torch.dtype, compute: torch.dtype) -> None:
    """Keep this weight as the layer's."""
    held = packed(weight, stored)
    layer.weight.data = held.stored
    register_parametrization(layer, "weight", Fetched(None, compute, held.scale), unsafe=True)


def packed(weight: Tensor, stored: torch.dtype) -> Packed:
    """A weight in a format; in fp8 with a scale per output."""
    scale = _scale(weight) if stored == FP8 else None
    return Packed((weight if scale is None else weight / scale).to(stored), scale)


def unpacked(layer: Any) -> Tensor:
    """A layer's weight in fp32, whatever it is stored in."""
    if not _is_stored(layer):
        weight: Tensor = layer.weight.data.float()
        return weight
    kept = layer.parametrizations.weight
    return Packed(kept.original.data, kept[0].scale).weight


def _is_stored(layer: Any) -> bool:
    return hasattr(layer, "parametrizations")


def _scale(weight: Tensor) -> Tensor:
    """One factor per output, so that its largest weight is fp8's largest number."""
    largest = weight.float().flatten(1).abs().amax(1).clamp(min=1e-12)
    return (largest / torch.finfo(FP8).max).view(-1, *[1] * (weight.dim() - 1)).to(weight.dtype)


def swap_blocks(denoiser: nn.Module, count: int, device: torch.device) -> None:
    """Keep the weights of the last `count` blocks in main memory, and all else on the device."""
    away = {id(layer) for block in blocks_of(denoiser)[-count:] for layer in layers_of(block).values()}
    for layer in layers_of(denoiser).values():
        if id(layer) in away:
            _send_away(layer, device)
    for module in denoiser.modules():
        for held in (module._parameters, module._buffers):
            for name, tensor in held.items():
                if tensor is not None and not (name == "original" and getattr(module, "away", False)):
                    tensor.data = tensor.data.to(device)


def _send_away(layer: Any, device: torch.device) -> None:
    if not hasattr(layer, "parametrizations"):
        register_parametrization(layer, "weight", Fetched(device, layer.weight.dtype, None), unsafe=True)
    kept: Any = layer.parametrizations.weight
    kept[0].device = device
    kept.original.data = _home(kept.original.data, device)
    kept.away = True


def _home(weights: Tensor, device: torch.device) -> Tensor:
    """Page-locked, so that copies to a GPU run beside its work."""
    return weights.cpu().pin_memory() if device.type == "cuda" else weights.cpu()
