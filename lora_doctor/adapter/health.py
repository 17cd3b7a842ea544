"""What a LoRA's weights say: dead and broken layers, size and shape of every change, by block. One layer in memory.

stable rank: sum of squared singular values by the largest square. effective rank: exp of the entropy of the singular
values' shares (Roy and Vetterli 2007). Both don't depend on how a product is split into factors; norms of A or B do.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from lora_doctor.adapter.arrays import Array, Weights
from lora_doctor.adapter.factors import rank_for, spectrum
from lora_doctor.adapter.facts import Adapter
from lora_doctor.adapter.read import Layer

THIN = ("lora", "loha", "lokr")


class LayerHealth(NamedTuple):
    """One layer. norm: Frobenius norm of its change, scale included. largest: its largest singular value. energy_rank:
    columns that hold 99 % of the squared strength. ratio: norm by that of the base's weights, where those are on disk.
    measured: False for methods without a spectrum here (OFT, full differences): then only `finite` and `dead` are set.
    """

    name: str
    part: str
    block: str
    rank: int | None
    finite: bool
    dead: bool
    norm: float = 0.0
    largest: float = 0.0
    stable_rank: float = 0.0
    effective_rank: float = 0.0
    energy_rank: int = 0
    ratio: float | None = None
    measured: bool = True


class Health(NamedTuple):
    """All layers of a file that could be read. digest: of the weights, equal for equal weights under equal names."""

    layers: tuple[LayerHealth, ...]
    digest: str

    @property
    def dead(self) -> tuple[LayerHealth, ...]:
        """Layers that change nothing."""
        return tuple(layer for layer in self.layers if layer.dead)

    @property
    def broken(self) -> tuple[LayerHealth, ...]:
        """Layers with NaN or infinity."""
        return tuple(layer for layer in self.layers if not layer.finite)

    @property
    def sound(self) -> tuple[LayerHealth, ...]:
        """Layers with a spectrum."""
        return tuple(layer for layer in self.layers if layer.measured and layer.finite and not layer.dead)

    @property
    def norm(self) -> float:
        """Of all changes together."""
        return math.sqrt(sum(layer.norm**2 for layer in self.sound))

    def blocks(self) -> dict[str, float]:
        """Norm of each block's changes, in the file's order of blocks; "other" for layers outside blocks."""
        squares: dict[str, float] = {}
        for layer in self.layers:
            squares[layer.block] = squares.get(layer.block, 0.0) + (layer.norm**2 if layer.finite else math.nan)
        return {block: math.sqrt(s) for block, s in sorted(squares.items(), key=lambda item: _order(item[0]))}


def measure(adapter: Adapter, progress: Callable[[int, int], None] | None = None) -> Health:
    """Read every layer of a file, one after the other."""
    layers, digest = [], hashlib.blake2b(digest_size=16)
    total = len(adapter.layers)
    with Weights(adapter.file) as weights:
        for i, (layer, scale) in enumerate(zip(adapter.layers, adapter.scales.trained)):
            for tensor in layer.tensors.values():
                digest.update(tensor.name.encode())
                digest.update(weights.raw(tensor))
            if layer.kind:
                layers.append(_layer(weights, layer, scale))
            if progress:
                progress(i + 1, total)
    return Health(tuple(layers), digest.hexdigest())


def _layer(weights: Weights, layer: Layer, scale: float) -> LayerHealth:
    block = block_of(layer)
    thin = layer.kind in THIN and not any(role in layer.roles for role in ("hada_t1", "lokr_t2"))
    if not thin:
        values = [weights.array(t) for role, t in layer.tensors.items() if role != "alpha"]
        finite = all(bool(np.isfinite(v).all()) for v in values)
        dead = layer.kind == "diff" and not any(v.any() for v in values)
        return LayerHealth(layer.name, layer.part, block, layer.rank, finite, dead, measured=False)
    if not _finite(weights, layer):
        return LayerHealth(layer.name, layer.part, block, layer.rank, False, False)
    values = spectrum(weights, layer, scale)
    if not np.isfinite(values).all():
        return LayerHealth(layer.name, layer.part, block, layer.rank, False, False)
    if not values[0] > 0:
        return LayerHealth(layer.name, layer.part, block, layer.rank, True, True)
    return _spectral(layer, block, values)


def _finite(weights: Weights, layer: Layer) -> bool:
    """LoHa and LoKr multiply before they are measured; a plain LoRA's own Gram matrices tell."""
    if layer.kind == "lora":
        return True
    return all(bool(np.isfinite(weights.array(t)).all()) for role, t in layer.tensors.items() if role != "alpha")


def _spectral(layer: Layer, block: str, values: Array) -> LayerHealth:
    squares = values**2
    shares = values[values > 0] / values.sum()
    return LayerHealth(
        layer.name,
        layer.part,
        block,
        layer.rank,
        finite=True,
        dead=False,
        norm=float(np.sqrt(squares.sum())),
        largest=float(values[0]),
        stable_rank=float(squares.sum() / squares[0]),
        effective_rank=float(np.exp(-(shares * np.log(shares)).sum())),
        energy_rank=rank_for(values, 0.99),
    )


_UNET = re.compile(
    r"(input|output|down|up|middle|mid)_blocks?(?:[._](\d+)(?:[._](?:attentions|resnets))?(?:[._](\d+))?)?"
)
_BLOCK = re.compile(
    r"(single_transformer_blocks|transformer_blocks|double_blocks|single_blocks|(?<![a-z])blocks|layers)[._](\d+)"
)
_SHORT = {
    "single_transformer_blocks": "single", "single_blocks": "single", "transformer_blocks": "double",
    "double_blocks": "double", "blocks": "block", "input": "in", "output": "out", "mid": "middle",
}  # fmt: skip


def block_of(layer: Layer) -> str:
    """The block a layer stands in, in short: "double 3", "single 17", "in 4.1", "encoder 5"; "other" outside blocks."""
    unet = _UNET.match(layer.name) if layer.denoiser else None
    if unet:
        kind = _SHORT.get(unet[1], unet[1])
        return kind if kind == "middle" else " ".join((kind, ".".join(filter(None, (unet[2], unet[3])))))
    found = _BLOCK.search(layer.name)
    if not found:
        return "other"
    if not layer.denoiser:
        return f"{layer.part.removeprefix('text_')} {found[2]}"
    kind = _SHORT[found[1]]
    if kind == "double" and re.search(r"attn[12]|ff[._]conv", layer.name):
        kind = "block"  # SANA's only kind
    return f"{kind} {found[2]}"


def _order(block: str) -> tuple[int, list[int], str]:
    first = ("double", "block", "single", "in", "down", "middle", "out", "up", "other")
    kind = block.split(" ")[0]
    return (first.index(kind) if kind in first else len(first), [int(n) for n in re.findall(r"\d+", block)], block)
