"""LoRAs under the one that is trained: kept beside the base (`adapter.stack_on`), or merged into it (`adapter.merge`).

Both train the new LoRA on base + old update, so both need the old file when the new one is used. Stacked, the base's
weights stay as they are, whatever they are stored in, and every layer costs two thin products more. Merged, a step
costs nothing more, and the sum is rounded once, from fp32 to the format that the base is stored in: how much of the
update that is, is measured and said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lora_doctor.adapter.facts import examine
from lora_doctor.adapter.read import AdapterError
from lora_doctor.train.companions import file_of
from lora_doctor.train.exports import as_diffusers
from lora_doctor.train.job import Adapter
from lora_doctor.train.stacked import stack
from lora_doctor.train.storage import FP8, FULL, packed, store_layer, unpacked
from lora_doctor.train.targets import UnfitError

_PLAIN = (nn.Linear, nn.Conv2d)


class Update(NamedTuple):
    """What one file adds to a layer: up [out, rank(, 1, 1)] times down [rank, in(, h, w)], the scale in `up`; fp32."""

    down: Tensor
    up: Tensor

    @property
    def product(self) -> Tensor:
        """[out, in(, h, w)]."""
        return (self.up.flatten(1) @ self.down.flatten(1)).view(len(self.up), *self.down.shape[1:])


class Rounding(NamedTuple):
    """Squared norms over the layers merged into.

    lost: what storing the sums rounds away; before: what storing the base alone rounds away; update: what is merged in.
    """

    layers: int = 0
    lost: float = 0.0
    before: float = 0.0
    update: float = 0.0

    def plus(self, weights: Iterable[Tensor]) -> Rounding:
        """With one more layer: what storing its sum and its base round away, and its update."""
        lost, before, update = (float(each.double().square().sum()) for each in weights)
        return Rounding(self.layers + 1, self.lost + lost, self.before + before, self.update + update)

    def shares(self) -> tuple[float, float]:
        """Norms of the roundings, with and without the merge, as shares of the update's."""
        whole = max(self.update, 1e-30) ** 0.5
        return self.lost**0.5 / whole, self.before**0.5 / whole


def updates_of(path: Path, key: str) -> dict[str, Update]:
    """What a LoRA file adds to each layer (`transformer.<layer>`).

    Raises:
        UnfitError: it is no LoRA whose update is a product of two matrices.
    """
    try:
        file = examine(file_of(path))
        scales, tensors = as_diffusers(file)
    except AdapterError as problem:
        raise UnfitError(key, problem.sentence) from problem
    found = {}
    for layer, scale in scales.items():
        down, up = (tensors.get(f"{layer}.lora_{side}.weight") for side in "AB")
        if down is None or up is None:
            raise UnfitError(key, f"{path} holds {layer} as no pair of matrices")
        found[layer] = Update(down.float(), up.float() * scale)
    return found


def put(
    parts: Mapping[str, nn.Module], adapter: Adapter, stored: Mapping[str, torch.dtype], compute: torch.dtype
) -> tuple[str, ...]:
    """Merge and stack an adapter's files on the model's parts (by the pipeline's names); what to know about it.

    `stored`: the format each part's weights will be stored in.

    Raises:
        UnfitError: a file is of another model.
    """
    notes = []
    if adapter.merge:
        merged, rounding = _placed(parts, adapter.merge, "adapter.merge"), Rounding()
        for name, (layer, updates) in merged.items():
            fp8 = stored[name.partition(".")[0]] == FP8 and not FULL.search(name)
            rounding = rounding.plus(merge(layer, updates, FP8 if fp8 else layer.weight.dtype))
        notes.append(_merged(adapter.merge, rounding, stored[next(iter(parts))]))
    placed = _placed(parts, adapter.stack_on, "adapter.stack_on")
    for layer, updates in placed.values():
        stack(layer, updates, compute)
    if placed:
        notes.append(f"beneath what is trained, unchanged, on {len(placed)} layers: {_names(adapter.stack_on)}")
    return tuple(notes)


def _names(paths: Iterable[Path]) -> str:
    return " and ".join(map(str, paths))


def _placed(parts: Mapping[str, nn.Module], paths: Iterable[Path], key: str) -> dict[str, tuple[Any, list[Update]]]:
    """Layers that files change, with all that they add there; nothing is changed before all of them fit."""
    layers = {f"{part}.{n}": m for part, module in parts.items() for n, m in module.named_modules()}
    found: dict[str, tuple[Any, list[Update]]] = {}
    for path in paths:
        for name, update in updates_of(path, key).items():
            layer = layers.get(name)
            if layer is None or not isinstance(layer, _PLAIN):
                raise UnfitError(key, f"{path} changes {name}, which this model has not: it is of another model")
            there, here = [update.up.shape[0], *update.down.shape[1:]], _shape(layer)
            if there != here:
                raise UnfitError(key, f"{path} is of another model: {name} is {there} there and {here} here")
            found.setdefault(name, (layer, []))[1].append(update)
    return found


def _shape(layer: Any) -> list[int]:
    """Of the weight, which quantised layers fold."""
    return [layer.out_features, layer.in_features] if isinstance(layer, nn.Linear) else list(layer.weight.shape)


@torch.no_grad()
def merge(layer: Any, updates: Iterable[Update], stored: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Add updates to a layer's weight in fp32, and store the sum.

    Returns what that rounded, what storing the weight alone would have, and the update; all [out, in(, h, w)].
    """
    weight = unpacked(layer)
    update = sum((each.product.to(weight.device) for each in updates), torch.zeros_like(weight))
    exact, alone = weight + update, packed(weight, stored)
    if stored == FP8:
        store_layer(layer, exact, FP8, layer.weight.dtype)
    else:
        layer.weight.data = exact.to(stored)
    return unpacked(layer) - exact, alone.weight - weight, update


def _merged(paths: Iterable[Path], rounding: Rounding, stored: torch.dtype) -> str:
    lost, before = rounding.shares()
    sentence = f"{_names(paths)} merged into {rounding.layers} layers of the base, in memory only"
    if lost < 1e-4:
        return sentence
    name = str(stored).removeprefix("torch.")
    cost = f"storing the sums in {name} moves them by {lost:.0%} of what the LoRA does, storing the base {before:.0%}"
    return f"{sentence}; {cost}" + ("; `adapter.stack_on` adds no such error" if lost > 1.1 * before else "")
