"""Layers whose change is formed when it is needed: LoKr, LoHa, and LoRA where PEFT would put none (text encoders).

The change of a LoKr has the size of the layer itself; of Klein 9B they would all together be as large as the model. So
a layer keeps its small matrices, and forms what they come to in each forward. `strength` knows these layers as PEFT's.
The formulas are those of LyCORIS (github.com/KohakuBlueleaf/LyCORIS, lycoris/modules/loha.py, lokr.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from lora_doctor.adapter.arrays import Weights
from lora_doctor.adapter.read import AdapterError, Layer
from lora_doctor.train.adapters import NAME

KINDS = ("lora", "loha", "lokr")


class Change(NamedTuple):
    """One layer's small matrices by their roles. rows: those of its whole that are this layer's, None for all of them;
    swapped: the halves of the rows change places.
    """

    kind: str
    parts: Mapping[str, Tensor]
    scale: float
    rows: tuple[int, int] | None = None
    swapped: bool = False


def change_of(weights: Weights, layer: Layer, scale: float) -> Change:
    """What a file holds of a layer.

    Raises:
        AdapterError: its method is another.
    """
    if layer.kind not in KINDS or layer.dora or "bias" in layer.roles:
        what = "DoRA" if layer.dora else "bias" if "bias" in layer.roles else layer.kind or "half a pair"
        raise AdapterError(f"holds {layer.name} as {what}, which the base model can't be asked about")
    parts = {
        role: torch.from_numpy(weights.array(tensor).copy())
        for role, tensor in layer.tensors.items()
        if role != "alpha"
    }
    return Change(layer.kind, parts, scale)


def formed(change: Change) -> Tensor:
    """The change itself, `[outputs, inputs x kernel]`, with its scale."""
    get = change.parts
    if change.kind == "lora":
        whole = get["up"].flatten(1) @ (_tucker_lora(get) if "mid" in get else get["down"].flatten(1))
    elif change.kind == "loha":
        whole = (_hada(get, "1") * _hada(get, "2")).flatten(1)
    else:
        # a kernel's pixels stand behind the inputs of the second matrix, whose columns the first one repeats
        whole = torch.kron(_whole(get, "lokr_w1").flatten(1), _whole(get, "lokr_w2").flatten(1))
    if change.rows is not None:
        whole = whole[slice(*change.rows)]
    if change.swapped:
        whole = whole.roll(len(whole) // 2, 0)
    return whole * change.scale


def _tucker_lora(get: Mapping[str, Tensor]) -> Tensor:
    return torch.einsum("abhw,bi->aihw", get["mid"], get["down"].flatten(1)).flatten(1)


def _hada(get: Mapping[str, Tensor], which: str) -> Tensor:
    first, second = get[f"hada_w{which}_a"], get[f"hada_w{which}_b"]
    if f"hada_t{which}" in get:
        return torch.einsum("ijkl,jr,ip->prkl", get[f"hada_t{which}"], second, first)
    return first @ second.flatten(1)


def _whole(get: Mapping[str, Tensor], name: str) -> Tensor:
    if name in get:
        return get[name]
    first, second = get[f"{name}_a"], get[f"{name}_b"]
    if name == "lokr_w2" and "lokr_t2" in get:
        return torch.einsum("ijkl,jr,ip->prkl", get["lokr_t2"], second, first)
    return first @ second.flatten(1)


class Changed(nn.Module, BaseTunerLayer):  # type: ignore[misc]  # peft is untyped
    """A layer with its change, which can be switched off and weighed as an adapter of PEFT's is."""

    def __init__(self, base_layer: nn.Module, change: Change) -> None:
        """`base_layer` is a Linear or Conv2d.

        Raises:
            AdapterError: the change is of another size.
        """
        nn.Module.__init__(self)
        layer: Any = base_layer
        self.base_layer = base_layer
        self.scaling = {NAME: 1.0}
        self.merged_adapters: list[str] = []
        self._disable_adapters, self._active_adapter = False, [NAME]
        self._change = change
        there, here = list(formed(change).shape), [len(layer.weight), layer.weight[0].numel()]
        if there != here:
            raise AdapterError(f"is {there} where the base model has {here}")

    def __getattr__(self, name: str) -> Any:
        """What is asked of a layer itself: its sizes, its bias."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "base_layer":
                raise
            return getattr(self.base_layer, name)

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """As the layer itself, and the change."""
        layer: Any = self.base_layer
        found: Tensor = layer(x, *args, **kwargs)
        if self.disable_adapters:
            return found
        near = {role: part.to(x.device, non_blocking=True) for role, part in self._change.parts.items()}
        change = (formed(self._change._replace(parts=near)) * self.scaling[NAME]).to(x.dtype)
        if isinstance(layer, nn.Conv2d):
            kernel = change.view(layer.weight.shape)
            more: Tensor = nn.functional.conv2d(
                x, kernel, None, layer.stride, layer.padding, layer.dilation, layer.groups
            )
            return found + more
        return found + nn.functional.linear(x, change)


def change(root: nn.Module, name: str, what: Change) -> None:
    """Put a change on a layer.

    Raises:
        AdapterError: there is no such layer, or it is of another size.
    """
    try:
        layer = root.get_submodule(name)
    except AttributeError:
        layer = None
    if not isinstance(layer, (nn.Linear, nn.Conv2d)):
        raise AdapterError(f"does not fit the base model: it has no layer {name}")
    try:
        _set(root, name, Changed(layer, what))
    except AdapterError as problem:
        raise AdapterError(f"does not fit the base model: {name} {problem.sentence}") from None


def restore(root: nn.Module) -> None:
    """Take every change off again."""
    for name, module in list(root.named_modules()):
        if isinstance(module, Changed):
            _set(root, name, module.base_layer)


def _set(root: nn.Module, name: str, layer: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(root.get_submodule(parent), own, layer)
