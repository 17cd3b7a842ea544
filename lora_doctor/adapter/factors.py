"""A layer's change as one product of two thin matrices, whatever the method; its spectrum without ever forming it.

With up = Qb·Rb and down = Ra·Qa, the singular values of up·down are those of the small Rb·Ra; Rb and Ra come from the
Gram matrices of the factors.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lora_doctor.adapter.arrays import Array, Weights
from lora_doctor.adapter.read import AdapterError, Layer

MAX_WIDTH = 1024  # columns of a LoHa's or LoKr's thin form; a LoKr keeps its strongest


class Product(NamedTuple):
    """up [outputs, k] times down [k, inputs x kernel], times `scale`; `kept` is its share of the squared strength."""

    up: Array
    down: Array
    scale: float
    kept: float = 1.0


def product(weights: Weights, layer: Layer, scale: float) -> Product:
    """The thin form of a LoRA, LoHa or LoKr layer.

    Raises:
        AdapterError: its method has no thin form.
    """
    get = {role: weights.array(tensor) for role, tensor in layer.tensors.items() if role != "alpha"}
    if layer.kind == "lora":
        down = get["down"] if "mid" not in get else _tucker(get["mid"], get["down"])
        up = get["up"] if "mid" not in get else get["up"].reshape(get["up"].shape[0], -1)
        return Product(up.reshape(up.shape[0], -1), down.reshape(down.shape[0], -1), scale)
    if layer.kind == "loha" and "hada_t1" not in get:
        up = _rows_product(get["hada_w1_a"], get["hada_w2_a"])
        down = _rows_product(get["hada_w1_b"].T, get["hada_w2_b"].T).T
        return Product(up, down, scale)
    if layer.kind == "lokr" and "lokr_t2" not in get:
        return _kronecker(get, scale)
    raise AdapterError(f"holds {layer.name} as {layer.kind or 'half a pair'}: it has no pair of factors to work on")


def _tucker(mid: Array, down: Array) -> Array:
    return np.einsum("abhw,bi->aihw", mid, down.reshape(down.shape[0], -1))


def _rows_product(first: Array, second: Array) -> Array:
    """(A1·B1) * (A2·B2) has the row-wise Kronecker product of A1 and A2 as its left factor."""
    if first.shape[1] * second.shape[1] > MAX_WIDTH:
        raise AdapterError(f"is a LoHa of rank {first.shape[1]}: its thin form would have over {MAX_WIDTH} columns")
    return (first[:, :, None] * second[:, None, :]).reshape(first.shape[0], -1)


def _kronecker(get: dict[str, Array], scale: float) -> Product:
    """kron(W1, W2) has kron(U1, U2), the products of the singular values, and kron(V1, V2)."""
    left, right = (_triple(get, w) for w in ("lokr_w1", "lokr_w2"))
    strength = np.multiply.outer(left[1], right[1]).reshape(-1)
    order = np.argsort(-strength)
    order = order[: min(MAX_WIDTH, int((strength > strength.max(initial=0) * 1e-7).sum()) or 1)]
    total = float((strength**2).sum())
    kept = float((strength[order] ** 2).sum()) / total if total else 1.0
    a, b = np.divmod(order, right[1].size)
    root = np.sqrt(strength[order])
    up = (left[0][:, a][:, None, :] * right[0][:, b][None, :, :]).reshape(-1, order.size) * root
    down = (left[2][a][:, :, None] * right[2][b][:, None, :]).reshape(order.size, -1) * root[:, None]
    return Product(up.astype(np.float32), down.astype(np.float32), scale, kept)


def _triple(get: dict[str, Array], name: str) -> tuple[Array, Array, Array]:
    if name in get:
        whole = get[name]
        left, values, right = np.linalg.svd(whole.reshape(whole.shape[0], -1), full_matrices=False)
        return left, values, right
    return _svd(get[f"{name}_a"], get[f"{name}_b"].reshape(get[f"{name}_b"].shape[0], -1))


def spectrum(weights: Weights, layer: Layer, scale: float) -> Array:
    """All singular values of a layer's change, in descending order."""
    if layer.kind != "lokr" or "lokr_t2" in layer.roles:
        return singular_values(product(weights, layer, scale))
    get = {role: weights.array(tensor) for role, tensor in layer.tensors.items() if role != "alpha"}
    both = np.multiply.outer(_triple(get, "lokr_w1")[1], _triple(get, "lokr_w2")[1])
    return np.sort(both.reshape(-1).astype(np.float64))[::-1] * abs(scale)


def singular_values(of: Product) -> Array:
    """All singular values, in descending order, in double precision; NaN where a factor holds one."""
    left, right = _grams(of.up, of.down)
    if not (np.isfinite(np.trace(left)) and np.isfinite(np.trace(right))):
        return np.full(left.shape[0], np.nan)
    core = _root(*np.linalg.eigh(left)) @ _root(*np.linalg.eigh(right)).T
    return np.linalg.svd(core, compute_uv=False) * abs(of.scale)


def _grams(up: Array, down: Array) -> tuple[Array, Array]:
    """up'up and down·down', in double precision: squares of large single-precision numbers overflow.

    Their roots stand for the triangular factors of a QR, at a fifth of its work; what falls below 1e-7 of a factor's
    largest singular value is lost, and is noise of the storage format anyway.
    """
    up, down = up.astype(np.float64), down.astype(np.float64)
    return up.T @ up, down @ down.T


def _root(values: Array, vectors: Array) -> Array:
    """R with R'R = the matrix of these eigenvalues and eigenvectors."""
    return np.sqrt(np.clip(values, 0, None))[:, None] * vectors.T


def _svd(up: Array, down: Array) -> tuple[Array, Array, Array]:
    """Singular triple of up·down, without the directions in which a factor is nothing."""
    (a, left), (b, right) = (np.linalg.eigh(gram) for gram in _grams(up, down))
    left, right = left[:, a > a[-1] * 1e-14], right[:, b > b[-1] * 1e-14]
    a, b = np.sqrt(a[a > a[-1] * 1e-14]), np.sqrt(b[b > b[-1] * 1e-14])
    u, s, v = np.linalg.svd(a[:, None] * (left.T @ right) * b)
    u, v = u[:, : s.size], v[: s.size]
    return up @ ((left / a) @ u), s, (v @ (right / b).T) @ down


class Truncated(NamedTuple):
    """Balanced factors of the best approximation at a rank, and the share of squared strength it keeps (0 to 1)."""

    up: Array
    down: Array
    kept: float


def truncate(of: Product, rank: int | None = None, energy: float | None = None) -> Truncated:
    """The best approximation of `scale`·up·down by `rank` columns, or by as many as keep `energy` of the squares."""
    if not (np.isfinite(of.up).all() and np.isfinite(of.down).all()):
        raise AdapterError("holds NaN or infinity: `lora-doctor inspect --weights` names the layers")
    u, s, v = _svd(of.up, of.down)
    if not s.size:  # a layer that changes nothing keeps one column of zeros
        return Truncated(np.zeros((of.up.shape[0], 1)), np.zeros((1, of.down.shape[1])), 1.0)
    s = s * abs(of.scale)
    total = float((s**2).sum())
    if rank is None:
        assert energy is not None
        rank = rank_for(s, energy)
    rank = max(1, min(rank, s.size))
    root = np.sqrt(s[:rank])
    sign = -1.0 if of.scale < 0 else 1.0
    kept = float((s[:rank] ** 2).sum()) / total if total else 1.0
    return Truncated(sign * u[:, :rank] * root, root[:, None] * v[:rank], kept)


def rank_for(values: Array, energy: float) -> int:
    """How many of the largest singular values hold this share of the sum of squares; 1 for nothing at all."""
    squares = np.cumsum(values**2)
    if squares.size == 0 or not squares[-1]:
        return 1
    needed = int(np.searchsorted(squares, energy * squares[-1] * (1 - 1e-12))) + 1
    return min(needed, int(values.size))
