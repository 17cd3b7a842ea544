"""Kind, size and rank of a layer, from the shapes of its tensors."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple


class Measured(NamedTuple):
    """What the shapes of one layer's tensors amount to."""

    kind: str
    inputs: int | None = None
    outputs: int | None = None
    rank: int | None = None
    kernel: tuple[int, ...] = ()
    problem: str = ""


@lru_cache(maxsize=4096)
def measure(roles: tuple[str, ...], sizes: tuple[tuple[int, ...], ...]) -> Measured:
    """Kind, size and rank of a layer from its tensors' roles and their shapes."""
    shapes = dict(zip(roles, sizes))
    empty = [role for role, shape in shapes.items() if 0 in shape]
    if empty:
        return Measured(
            "", problem=f"its {_WORDS.get(empty[0], empty[0])} has no elements (a sharded save that was never gathered)"
        )
    if "down" in shapes or "up" in shapes:
        return _lora(shapes)
    if any(role.startswith("hada_") for role in shapes):
        return _loha(shapes)
    if any(role.startswith("lokr_") for role in shapes):
        return _lokr(shapes)
    for role, kind in (
        ("oft", "oft"),
        ("glora_a1", "glora"),
        ("diff", "diff"),
        ("norm", "norm"),
        ("ia3", "ia3"),
        ("diff_b", "diff"),
    ):
        if role in shapes:
            shape = shapes[role]
            full = kind == "diff" and len(shape) >= 2
            return Measured(
                kind, shape[1] if full else None, shape[0] if full else None, kernel=shape[2:] if full else ()
            )
    return Measured("", problem="has no weights, only " + ", ".join(_WORDS.get(r, r) for r in shapes))


_WORDS = {
    "down": "A (down) matrix",
    "up": "B (up) matrix",
    "mid": "middle matrix",
    "dora_scale": "DoRA magnitude",
    "magnitude": "DoRA magnitude",
}


def _lora(shapes: dict[str, tuple[int, ...]]) -> Measured:
    down, up = shapes.get("down"), shapes.get("up")
    if down is None or up is None:
        return Measured(
            "", problem=f"has its {_WORDS['up' if down is None else 'down']} only: the other half is missing"
        )
    mid = shapes.get("mid")
    if len(down) < 2 or len(up) < 2 or (down[0] != up[1] if mid is None else (mid[1], mid[0]) != (down[0], up[1])):
        return Measured("", problem=f"its factors do not fit each other: A is {_size(down)}, B is {_size(up)}")
    kernel = mid[2:] if mid else down[2:]
    return Measured("lora", down[1], up[0], down[0], kernel)


def _loha(shapes: dict[str, tuple[int, ...]]) -> Measured:
    names = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
    if any(len(shapes.get(n, ())) != 2 for n in names):
        return Measured("", problem="is a LoHa with a factor missing or misshapen")
    first, second = shapes["hada_w1_a"], shapes["hada_w1_b"]
    if "hada_t1" in shapes:
        return Measured("loha", second[1], first[1], second[0], shapes["hada_t1"][2:])
    if first[1] != second[0] or (first[0], second[1]) != (shapes["hada_w2_a"][0], shapes["hada_w2_b"][1]):
        return Measured("", problem="is a LoHa whose factors do not fit each other")
    return Measured("loha", second[1], first[0], second[0])


def _lokr(shapes: dict[str, tuple[int, ...]]) -> Measured:
    first, second = _half(shapes, "lokr_w1"), _half(shapes, "lokr_w2")
    if first is None or second is None:
        return Measured("", problem="is a LoKr with a factor missing or misshapen")
    ranks = [shapes[f"{w}_b"][0] for w in ("lokr_w1", "lokr_w2") if f"{w}_b" in shapes]
    return Measured("lokr", first[1] * second[1], first[0] * second[0], ranks[-1] if ranks else None, second[2:])


def _half(shapes: dict[str, tuple[int, ...]], name: str) -> tuple[int, ...] | None:
    """Shape of one side of the Kronecker product, whole or as a product of two."""
    whole, a, b = shapes.get(name), shapes.get(f"{name}_a"), shapes.get(f"{name}_b")
    if whole is not None:
        return whole if len(whole) >= 2 else None
    if a is None or b is None or len(a) < 2 or len(b) < 2:
        return None
    tucker = shapes.get("lokr_t2") if name == "lokr_w2" else None
    if tucker is not None:
        return (a[1], b[1], *tucker[2:])
    return (a[0], b[1], *b[2:]) if a[1] == b[0] else None


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a number"
