"""Rename a LoRA's layers for another program: factors keep every bit, fused projections are split and joined exactly.

Splitting a fused q, k, v: each part gets the rows of B that are its own, and the common A. Joining: the As stand
above each other, the Bs on a diagonal; where all parts share one A, it stands there once. So every part's product
B·A is the same before and after, to the last bit, and a file converted there and back has its factors again.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lora_doctor.adapter import arrays, names
from lora_doctor.adapter.arrays import Array, Weights, payload
from lora_doctor.adapter.case import FLUX2, Case
from lora_doctor.adapter.facts import Adapter
from lora_doctor.adapter.read import AdapterError, Layer
from lora_doctor.adapter.spelling import Spelling, encoder_stem, spelling
from lora_doctor.adapter.write import Entry, write_file

Stored = dict[str, tuple[str, tuple[int, ...], Callable[[], Array]]]  # by role: dtype, shape, and how to get it


class Made(NamedTuple):
    """A layer under its new name. scale: None where `alpha` means nothing (a LoKr of two full matrices)."""

    part: str
    name: str
    kind: str
    rank: int | None
    scale: float | None
    tensors: Stored


class Conversion(NamedTuple):
    """What was written, and what the user should know about it."""

    layers: int
    notes: tuple[str, ...]


def convert(adapter: Adapter, target: str, output: Path, *, overwrite: bool = False) -> Conversion:
    """Write `adapter` with the names of `target`: "diffusers", "comfyui" or "kohya".

    Raises:
        AdapterError: there is no such file for this model, or a layer can't be expressed in it.
    """
    case = Case(adapter.file, adapter.identity, adapter.format, adapter.scales)
    style = spelling(target, case.naming, case.family)
    notes: list[str] = []
    with Weights(adapter.file) as weights:
        made = [m for group in _groups(case, style, notes) for m in _make(case, style, weights, group, notes)]
        made += list(_encoders(case, style, weights, notes))
        write_made(output, made, style, adapter.file.metadata, overwrite=overwrite)
    return Conversion(len(made), tuple(dict.fromkeys(notes)))


class Group(NamedTuple):
    """The layers of a file that hold one pair's rows."""

    pair: names.Pair
    layers: tuple[tuple[Layer, names.Place, float], ...]


def _groups(case: Case, style: Spelling, notes: list[str]) -> list[Group]:
    grouped: dict[str, list[tuple[Layer, names.Place, float]]] = {}
    pairs: dict[str, names.Pair] = {}
    for layer, scale in zip(case.file.layers, case.scales.trained):
        if not layer.denoiser:
            continue
        place = names.find(case.naming, layer.name) if case.naming else None
        if place is None or not layer.kind:
            why = layer.problem or "is no layer of a model lora-doctor knows"
            raise AdapterError(f"cannot be converted: {layer.name} {why}")
        pairs[place.pair.native] = place.pair
        grouped.setdefault(place.pair.native, []).append((layer, place, scale))
    return [Group(pairs[n], tuple(sorted(found, key=lambda f: f[1].row))) for n, found in grouped.items()]


def _make(case: Case, style: Spelling, weights: Weights, group: Group, notes: list[str]) -> Iterator[Made]:
    pair = group.pair
    whole = [entry for entry in group.layers if entry[1].whole]
    if whole and len(group.layers) > 1:
        raise AdapterError(f"trains {pair.native} twice, fused and in parts")
    if style.naming == "native" and not whole:
        yield _join(style, weights, group, notes)
        return
    layer, place, scale = group.layers[0]
    if style.naming == "diffusers" and place.whole and len(pair.parts) > 1:
        yield from _split(style, weights, layer, pair, scale)
        return
    swap = pair.swapped and place.naming != style.naming
    for layer, place, scale in group.layers:
        name = pair.native if style.naming == "native" else pair.parts[place.row]
        yield _renamed(style, weights, layer, name, scale, swap=swap)


def _renamed(style: Spelling, weights: Weights, layer: Layer, name: str, scale: float, *, swap: bool) -> Made:
    if layer.kind != "lora" and (style.id == "diffusers" or swap):
        raise AdapterError(_no_lycoris(layer))
    if "bias" in layer.roles and (style.id != "diffusers" or swap):
        raise AdapterError(_no_bias(layer))
    tensors: Stored = {}
    for role, tensor in layer.tensors.items():
        if role == "alpha":
            continue
        rows = swap and role in ("up", "dora_scale", "magnitude")
        read = functools.partial(_halves_swapped if rows else Weights.bits, weights, tensor)
        tensors[role] = (tensor.info.dtype, tensor.info.shape, read)
    kept = scale if layer.rank else None
    return Made(layer.part, name, layer.kind, layer.rank, kept, _magnitudes(style, tensors, name))


def _no_bias(layer: Layer) -> str:
    return f"cannot be converted: {layer.name} has a bias in B (lora_bias), which only diffusers' own names can hold"


def _no_lycoris(layer: Layer) -> str:
    way = (
        "diffusers loads LoKr in ComfyUI's names (--to comfyui)" if layer.kind == "lokr" else "diffusers can't load it"
    )
    thin = layer.kind in ("loha", "lokr") and {"hada_t1", "lokr_t2"}.isdisjoint(layer.roles)
    return f"is a {layer.kind}: {way}" + ("; `lora-doctor resize --rank 32` makes a LoRA of it" if thin else "")


def _halves_swapped(weights: Weights, tensor: object) -> Array:
    bits = weights.bits(tensor)  # type: ignore[arg-type]
    half = bits.shape[0] // 2
    return np.concatenate([bits[half:], bits[:half]])


def _magnitudes(style: Spelling, tensors: Stored, name: str) -> Stored:
    """DoRA: one number per output, PEFT's vector or LyCORIS' column."""
    have = "dora_scale" if "dora_scale" in tensors else "magnitude" if "magnitude" in tensors else ""
    if not have:
        return tensors
    dtype, shape, read = tensors.pop(have)
    rows = tensors["up"][1][0] if "up" in tensors else shape[0]
    if shape[0] != rows:
        raise AdapterError(f"cannot be converted: {name} has its DoRA magnitude along the inputs")
    new = (rows,) if style.id == "diffusers" else (rows, 1)
    tensors["magnitude" if style.id == "diffusers" else "dora_scale"] = (dtype, new, lambda: read().reshape(new))
    return tensors


# ---- fused projections


def part_rows(pair: names.Pair, inputs: int, outputs: int) -> list[int]:
    """Rows of each part; FLUX.1's single blocks fuse an MLP four times as wide behind q, k and v."""
    count = len(pair.parts)
    if pair.parts[-1].endswith("proj_mlp"):
        return [inputs] * 3 + [outputs - 3 * inputs]
    if outputs % count:
        raise AdapterError(f"cannot be split: {pair.native} has {outputs} rows for {count} parts")
    return [outputs // count] * count


def _split(style: Spelling, weights: Weights, layer: Layer, pair: names.Pair, scale: float) -> Iterator[Made]:
    if layer.kind != "lora" or layer.inputs is None or layer.outputs is None or layer.rank is None:
        raise AdapterError(_no_lycoris(layer))
    if "bias" in layer.roles:
        raise AdapterError(_no_bias(layer))
    down, up = layer.tensors["down"], layer.tensors["up"]
    sections = part_rows(pair, layer.inputs, layer.outputs)
    starts = [sum(sections[:i]) for i in range(len(sections))]
    columns = _columns(weights.bits(up), starts, sections)
    for part, begin, rows, (first, last) in zip(pair.parts, starts, sections, columns):
        if first == last:
            continue  # a part that was never trained, left out when the others were joined
        tensors: Stored = {
            "down": (down.info.dtype, (last - first, *down.info.shape[1:]), _cut(weights, down, slice(first, last))),
            "up": (
                up.info.dtype,
                (rows, last - first),
                _cut(weights, up, slice(begin, begin + rows), slice(first, last)),
            ),
        }
        for role in ("dora_scale", "magnitude"):
            if role in layer.roles:
                own = layer.tensors[role]
                tensors[role] = (
                    own.info.dtype,
                    (rows, *own.info.shape[1:]),
                    _cut(weights, own, slice(begin, begin + rows)),
                )
        yield Made(layer.part, part, "lora", last - first, scale, _magnitudes(style, tensors, part))


def _cut(weights: Weights, tensor: object, *where: slice) -> Callable[[], Array]:
    return lambda: weights.bits(tensor)[where]  # type: ignore[arg-type]


def _columns(up: Array, starts: Sequence[int], sections: Sequence[int]) -> list[tuple[int, int]]:
    """Which columns of B each part uses: its own where the parts were joined on a diagonal, else all of them."""
    rank = up.shape[1]
    used = [np.flatnonzero((up[a : a + n].astype(np.float32) != 0).any(axis=0)) for a, n in zip(starts, sections)]
    count = len(sections)
    if rank % count == 0 and any(u.size for u in used):
        share = rank // count
        if all(u.size == 0 or (u[0] >= i * share and u[-1] < (i + 1) * share) for i, u in enumerate(used)):
            return [(i * share, (i + 1) * share) for i in range(count)]
    edges = _disjoint(used, rank)
    return edges or [(0, rank)] * count


def _disjoint(used: list[Array], rank: int) -> list[tuple[int, int]]:
    """Parts of unequal rank, or fewer parts than rows for them: neighbouring ranges that cover all columns."""
    filled = [i for i, u in enumerate(used) if u.size]
    if not filled or any(used[b][0] <= used[a][-1] for a, b in itertools.pairwise(filled)):
        return []
    edges, begin = [(0, 0)] * len(used), 0
    for here, following in zip(filled, [*filled[1:], None]):
        end = rank if following is None else int(used[following][0])
        edges[here], begin = (begin, end), end
    return edges


def _join(style: Spelling, weights: Weights, group: Group, notes: list[str]) -> Made:
    pair, layers = group.pair, [entry[0] for entry in group.layers]
    if len(pair.parts) == 1:
        layer, _, scale = group.layers[0]
        return _renamed(style, weights, layer, pair.native, scale, swap=pair.swapped)
    for layer in layers:
        if layer.kind != "lora":
            raise AdapterError(
                f"cannot be joined: {layer.name} is a {layer.kind}; {style.id} loads these names as they are"
            )
        if "bias" in layer.roles:
            raise AdapterError(_no_bias(layer))
        if layer.dora and len(layers) < len(pair.parts):
            raise AdapterError(f"cannot be joined: {pair.native} has a DoRA magnitude for some of its parts only")
    sections = _group_rows(pair, group)
    return _joined(style, weights, group, sections, notes)


def _group_rows(pair: names.Pair, group: Group) -> list[int]:
    known = {place.row: layer.outputs or 0 for layer, place, _ in group.layers}
    inputs = group.layers[0][0].inputs or 0
    if pair.parts[-1].endswith("proj_mlp"):
        return [known.get(i, inputs if i < 3 else 4 * inputs) for i in range(4)]
    rows = next(iter(known.values()))
    return [known.get(i, rows) for i in range(len(pair.parts))]


def _joined(style: Spelling, weights: Weights, group: Group, sections: list[int], notes: list[str]) -> Made:
    layers = [entry[0] for entry in group.layers]
    scales = [entry[2] for entry in group.layers]
    dtype = max(
        (t.info.dtype for la in layers for r, t in la.tensors.items() if r in ("up", "down")), key=arrays.FINENESS.index
    )
    shared = len(layers) == len(sections) and len(set(scales)) == 1 and _same_down(weights, layers)
    ranks = [layer.rank or 0 for layer in layers]
    rank = ranks[0] if shared else sum(ranks)
    if len(set(scales)) > 1:
        notes.append(f"{group.pair.native}: its parts have different scales, folded into B (rounded to {dtype})")
    inputs = layers[0].tensors["down"].info.shape[1:]

    def down() -> Array:
        parts = [_as(weights, layer.tensors["down"], dtype) for layer in (layers[:1] if shared else layers)]
        return np.concatenate(parts)

    def up() -> Array:
        result = np.zeros((sum(sections), rank), arrays.numpy_type(dtype))
        column = 0
        for layer, place, scale in group.layers:
            part = _as(weights, layer.tensors["up"], dtype)
            if scale != scales[0]:
                part = arrays.narrow(arrays.widen(part) * (scale / scales[0]), dtype)
            begin = sum(sections[: place.row])
            result[begin : begin + part.shape[0], column : column + part.shape[1]] = part
            column += 0 if shared else part.shape[1]
        return result

    tensors: Stored = {"down": (dtype, (rank, *inputs), down), "up": (dtype, (sum(sections), rank), up)}
    role = next((r for r in ("dora_scale", "magnitude") if r in layers[0].roles), "")
    if role:
        own = [layer.tensors[role] for layer in layers]
        stacked = lambda: np.concatenate([_as(weights, t, own[0].info.dtype).reshape(-1) for t in own])  # noqa: E731
        tensors[role] = (own[0].info.dtype, (sum(sections),), stacked)
    return Made(
        layers[0].part, group.pair.native, "lora", rank, scales[0], _magnitudes(style, tensors, group.pair.native)
    )


def _same_down(weights: Weights, layers: Sequence[Layer]) -> bool:
    first = layers[0].tensors["down"]
    kind = first.info.dtype, first.info.shape
    if any((t.info.dtype, t.info.shape) != kind for t in (layer.tensors["down"] for layer in layers[1:])):
        return False
    bits = weights.bits(first).tobytes()
    return all(weights.bits(layer.tensors["down"]).tobytes() == bits for layer in layers[1:])


def _as(weights: Weights, tensor: object, dtype: str) -> Array:
    return weights.bits(tensor).astype(arrays.numpy_type(dtype), copy=False)  # type: ignore[arg-type]


# ---- text encoders, writing


def _encoders(case: Case, style: Spelling, weights: Weights, notes: list[str]) -> Iterator[Made]:
    found = [(la, s) for la, s in zip(case.file.layers, case.scales.trained) if not la.denoiser]
    if found and (case.family == "sana" or (case.family in FLUX2 and style.id == "diffusers")):
        notes.append(f"{len(found)} text encoder layers left out: {style.id} does not load them for this model")
        return
    for layer, scale in found:
        if style.id == "diffusers" and case.family == "flux1" and layer.part != "text_encoder":
            notes.append("the T5 encoder's layers are left out: diffusers does not load them")
            continue
        if not layer.kind:
            raise AdapterError(f"cannot be converted: {layer.name} {layer.problem}")
        yield _renamed(style, weights, layer, encoder_stem(layer).removeprefix("model."), scale, swap=False)


def write_made(
    output: Path, made: Sequence[Made], style: Spelling, metadata: dict[str, str], *, overwrite: bool = False
) -> None:
    """Write layers in a spelling, alpha where that spelling keeps it."""
    entries = []
    for layer in made:
        stem = style.stem(layer.part, layer.name)
        entries += [
            Entry(stem + style.suffix(role), dtype, shape, payload(read))
            for role, (dtype, shape, read) in layer.tensors.items()
        ]
        if (
            layer.scale is not None
            and layer.rank
            and (style.alpha == "always" or (style.alpha == "needed" and layer.scale != 1))
        ):
            value = np.float32(layer.scale * layer.rank)
            entries.append(Entry(f"{stem}.alpha", "F32", (), payload(functools.partial(np.asarray, value))))
    kept = {k: v for k, v in metadata.items() if k != "lora_adapter_metadata"}
    kept.setdefault("format", "pt")
    if style.alpha == "metadata":
        kept["lora_adapter_metadata"] = json.dumps(_recorded(made, style), sort_keys=True)
    write_file(output, entries, kept, overwrite=overwrite)


def _recorded(made: Sequence[Made], style: Spelling) -> dict[str, object]:
    """What diffusers hands to PEFT's LoraConfig, for each component; no more than that, older PEFT knows less."""
    recorded: dict[str, object] = {}
    for part in dict.fromkeys(m.part for m in made):
        # transformers 5 has no `text_model` level in CLIP's first encoder; PEFT finds a name's ending under any level
        own = [m._replace(name=m.name.removeprefix("text_model.")) for m in made if m.part == part]
        ranks = [m.rank or 1 for m in own]
        alphas = [(m.scale or 1.0) * (m.rank or 1) for m in own]
        rank, alpha = max(set(ranks), key=ranks.count), max(set(alphas), key=alphas.count)
        values: dict[str, object] = {
            "r": rank,
            "lora_alpha": _whole(alpha),
            "rank_pattern": {_anchored(m.name, own): r for m, r in zip(own, ranks) if r != rank},
            "alpha_pattern": {_anchored(m.name, own): _whole(a) for m, a in zip(own, alphas) if a != alpha},
            "target_modules": _targets([m.name for m in own], style),
            "use_rslora": False,
            "use_dora": any("magnitude" in m.tensors for m in own),
            "lora_bias": any("bias" in m.tensors for m in own),
            "init_lora_weights": True,
        }
        component = style.component if part == "denoiser" else part
        recorded.update({f"{component}.{key}": value for key, value in values.items()})
    return recorded


def _targets(names_: list[str], style: Spelling) -> list[str] | str:
    """PEFT takes a listed name for every name that ends so; where that would hit more layers, a regular expression."""
    every = [part for pair in names.pairs(style.model) for part in pair.parts]
    if any(other.endswith(f".{name}") for name in names_ for other in every):
        return "|".join(map(re.escape, sorted(names_)))
    return sorted(names_)


def _anchored(name: str, made: Sequence[Made]) -> str:
    """PEFT matches patterns at the end of names: `proj_out` would also match every `...proj_out`."""
    return f"^{name}" if any(m.name.endswith(f".{name}") for m in made) else name


def _whole(number: float) -> float | int:
    return int(number) if number == int(number) else number
