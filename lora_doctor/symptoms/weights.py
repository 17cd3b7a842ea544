"""What the checkpoints' weights say over the run: growth, direction, dead and broken layers, weights that stand still.

Each file is read once, one layer in memory. Of each layer's change dW = scale * up @ down a linear sketch is kept: the
numbers z' dW x for fixed random z and x. Inner products of sketches are those of the changes, to some percent, so that
any two checkpoints, and differences of checkpoints, can be compared without their files.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lora_doctor.adapter.arrays import Array, Weights
from lora_doctor.adapter.factors import product
from lora_doctor.adapter.facts import Adapter, examine
from lora_doctor.adapter.health import THIN, Health, LayerHealth, measure
from lora_doctor.adapter.read import AdapterError, Layer
from lora_doctor.dataset.arrays import single_threaded
from lora_doctor.dataset.cache import Cache, stamp_of
from lora_doctor.dataset.workers import cores, spread
from lora_doctor.runs.facts import Checkpoint
from lora_doctor.symptoms.signals import Signal

KIND = "weights-1"
PROBES = 24  # numbers of a layer's sketch
KEPT = 64  # elements of each tensor whose bits are kept
SMALL = 50_000_000  # bytes of all files, which are read here: starting workers takes as long
FEWEST = 4  # checkpoints that a growth law takes
Tell = Callable[[int], None]


class Weighed(NamedTuple):
    """One checkpoint: its layers' health, sketch [layers, PROBES], and a sample of its stored numbers [tensors, KEPT].

    changes: Frobenius norm of each layer's change where it has a thin form, NaN elsewhere, in the file's order.
    """

    health: Health
    sketch: Array
    stored: Array

    @property
    def norm(self) -> float:
        """Of all changes together."""
        return self.health.norm


def weigh(adapter: Adapter) -> Weighed:
    """Read one file."""
    health = measure(adapter)
    sketches, stored = [], []
    with Weights(adapter.file) as weights:
        for layer, scale in zip(adapter.layers, adapter.scales.trained):
            sketches.append(_sketch(weights, layer, scale))
            stored += [_sampled(weights, layer, role) for role in sorted(layer.tensors) if role != "alpha"]
    return Weighed(health, np.array(sketches, np.float32).reshape(-1, PROBES), np.array(stored, np.float32))


def _sketch(weights: Weights, layer: Layer, scale: float) -> Array:
    thin = layer.kind in THIN and not any(role in layer.tensors for role in ("hada_t1", "lokr_t2"))
    if not thin:
        return np.zeros(PROBES)
    try:
        whole = product(weights, layer, scale)
    except AdapterError:
        return np.zeros(PROBES)
    rng = np.random.default_rng(zlib.crc32(f"{layer.part} {layer.name}".encode()))
    right = rng.standard_normal((whole.down.shape[1], PROBES), np.float32)
    left = rng.standard_normal((whole.up.shape[0], PROBES), np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        found = ((left.T @ whole.up) * (whole.down @ right).T).sum(1) * whole.scale / np.sqrt(PROBES)
    return np.where(np.isfinite(found), found, 0.0)


def _sampled(weights: Weights, layer: Layer, role: str) -> Array:
    """Some of a tensor's numbers, always the same ones; NaN fills up what is too short."""
    flat = weights.bits(layer.tensors[role]).reshape(-1)
    places = np.linspace(0, len(flat) - 1, min(KEPT, len(flat))).astype(int)
    found = np.full(KEPT, np.nan, np.float32)
    found[: len(places)] = flat[places].astype(np.float32)
    return found


def weigh_all(checkpoints: Sequence[Checkpoint], cache: Cache, tell: Tell | None = None) -> list[Weighed | None]:
    """Every checkpoint, from the cache where its file has not changed; None where its weights can't be read."""
    names = [str(each.path.absolute()) for each in checkpoints]
    stamps = [stamp_of(name) for name in names]
    digests = [cache.digest_of(name, stamp) if stamp else None for name, stamp in zip(names, stamps)]
    known = cache.more(KIND, [digest for digest in digests if digest])
    found: dict[str, bytes] = {name: known[d] for name, d in zip(names, digests) if d and d in known}
    todo = [name for name in names if name not in found]
    for name, packed in _spread(todo):
        stamp = stamps[names.index(name)]
        if packed and stamp:
            found[name] = packed
            digest = bytes.fromhex(json.loads(packed.partition(b"\n")[0])["digest"])
            cache.keep(name, stamp, digest, b"", None)
            cache.keep_more(KIND, digest, packed)
        if tell:
            tell(1)
    cache.commit()
    return [unpack(found[name]) if name in found else None for name in names]


def _spread(names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    if len(names) < 2 or cores() < 2 or sum(Path(name).stat().st_size for name in names) < SMALL:
        single_threaded()
        yield from (answer for name in names for answer in _task([name]))
        return
    yield from spread(_task, ([name] for name in names), min(cores(), len(names)))


def _task(names: list[str]) -> list[tuple[str, bytes]]:
    answers = []
    for name in names:
        try:
            answers.append((name, pack(weigh(examine(Path(name))))))
        except (AdapterError, OSError, MemoryError):
            answers.append((name, b""))
    return answers


def pack(weighed: Weighed) -> bytes:
    """For the cache: a line of JSON, then the arrays."""
    head = {
        "digest": weighed.health.digest,
        "layers": [list(layer) for layer in weighed.health.layers],
        "tensors": len(weighed.stored),
        "sketches": len(weighed.sketch),
    }
    arrays: bytes = weighed.sketch.astype("<f4").tobytes() + weighed.stored.astype("<f4").tobytes()
    return json.dumps(head).encode() + b"\n" + arrays


def unpack(packed: bytes) -> Weighed:
    """What `pack` made."""
    line, _, arrays = packed.partition(b"\n")
    head = json.loads(line)
    size = head["sketches"] * PROBES * 4
    sketch = np.frombuffer(arrays[:size], "<f4").reshape(-1, PROBES)
    stored = np.frombuffer(arrays[size:], "<f4").reshape(-1, KEPT)
    return Weighed(Health(tuple(LayerHealth(*layer) for layer in head["layers"]), head["digest"]), sketch, stored)


def signals_of(
    checkpoints: Sequence[Checkpoint], weighed: Sequence[Weighed | None], rate: float | None = None
) -> tuple[Signal, ...]:
    """Every signal. rate: the learning rate, where the adapter is kept in bf16 in training and rounding loses steps."""
    pairs = [(c.step, w, c.path.name) for c, w in zip(checkpoints, weighed) if w is not None]
    dated = [(step, w, name) for step, w, name in pairs if step is not None]
    steps = tuple(step for step, _, _ in dated)
    found: list[Signal] = []
    if not pairs:
        return ()
    layers = len(pairs[-1][1].health.layers)
    broken = tuple(float(len(w.health.broken)) for _, w, _ in dated)
    dead = tuple(len(w.health.dead) / max(1, len(w.health.layers)) for _, w, _ in dated)
    if not dated:  # a single file without a step
        steps, broken = (0,), (float(len(pairs[-1][1].health.broken)),)
        dead = (len(pairs[-1][1].health.dead) / max(1, layers),)
    counts = (layers,) * len(steps)
    dead_names = tuple(layer.name for layer in pairs[-1][1].health.dead)
    broken_names = tuple(layer.name for layer in pairs[-1][1].health.broken)
    found.append(Signal("broken_layers", steps, broken, counts, 0.0, "", broken_names))
    found.append(Signal("dead_share", steps, dead, counts, 0.0, "", dead_names))
    sound = [(step, w, name) for step, w, name in dated if w.norm > 0 and not w.health.broken]
    if sound:
        found += _growth(sound)
        found += _directions(sound)
    found += _standstill(dated, rate)
    return tuple(found)


Row = tuple[int, Weighed, str]


def _growth(rows: Sequence[Row]) -> Iterator[Signal]:
    steps = tuple(step for step, _, _ in rows)
    norms = [w.norm for _, w, _ in rows]
    counts = tuple(len(w.health.sound) for _, w, _ in rows)
    yield Signal("norm", steps, tuple(norms), counts)
    middle = [float(np.median([layer.norm for layer in w.health.sound])) for _, w, _ in rows]
    most = [max(layer.norm for layer in w.health.sound) for _, w, _ in rows]
    yield Signal(
        "norm_outlier", steps, tuple(m / max(n, 1e-12) for m, n in zip(most, middle)), counts, 1.0, "the median layer"
    )
    stable = tuple(float(np.mean([layer.stable_rank for layer in w.health.sound])) for _, w, _ in rows)
    yield Signal("stable_rank", steps, stable, counts)
    late = [(step, norm) for step, norm in zip(steps, norms) if step >= steps[-1] / 2 and step > 0]
    if len(late) >= FEWEST:
        x, y = np.log(np.array(late)).T
        slope = float(np.polyfit(x, y, 1)[0])
        yield Signal("growth", (steps[-1],), (slope,), (len(late),), 0.5, "a random walk")


def _directions(rows: Sequence[Row]) -> Iterator[Signal]:
    """How each checkpoint goes on from the one before, by sketches."""
    sketches = [w.sketch.reshape(-1).astype(np.float64) for _, w, _ in rows]
    if len({len(sketch) for sketch in sketches}) != 1 or len(rows) < 2:
        return
    steps = tuple(step for step, _, _ in rows)
    shape = (len(rows[-1][1].health.layers),)
    lengths = [float(np.linalg.norm(sketch)) for sketch in sketches]
    cosines = [
        float(one @ other / max(a * b, 1e-30)) for one, other, a, b in zip(sketches, sketches[1:], lengths, lengths[1:])
    ]
    yield Signal("continuity", steps[1:], tuple(cosines), shape * (len(rows) - 1), 1.0, "the checkpoint before")
    moves = [other - one for one, other in pairwise(sketches)]
    moved = [float(np.linalg.norm(move)) for move in moves]
    yield Signal(
        "update", steps[1:], tuple(m / max(n, 1e-30) for m, n in zip(moved, lengths[1:])), shape * (len(rows) - 1)
    )
    turns = [float(a @ b / max(m * n, 1e-30)) for a, b, m, n in zip(moves, moves[1:], moved, moved[1:])]
    if turns:
        yield Signal("turning", steps[2:], tuple(turns), shape * len(turns), 0.0, "a random walk")
    norms = [w.norm for _, w, _ in rows]
    falls = tuple(1 - after / before for before, after in pairwise(norms))
    yield Signal("norm_fall", steps[1:], falls, shape * (len(rows) - 1), 0.0, "the checkpoint before")


def _standstill(rows: Sequence[Row], rate: float | None) -> Iterator[Signal]:
    """Files with the weights of the one before, single weights that do not move, and such as can't."""
    if len(rows) >= 2:
        pairs = list(pairwise(rows))
        same = tuple(float(a[1].health.digest == b[1].health.digest) for a, b in pairs)
        steps = tuple(b[0] for _, b in pairs)
        names = tuple(b[2] for (a, b), equal in zip(pairs, same) if equal)
        yield Signal("same_weights", steps, same, (1,) * len(same), 0.0, "the checkpoint before", names)
        if all(a[1].stored.shape == b[1].stored.shape for a, b in pairs):
            shares = tuple(_unchanged(a[1].stored, b[1].stored) for a, b in pairs)
            yield Signal(
                "unchanged", steps, shares, (rows[-1][1].stored.size,) * len(shares), 0.0, "the checkpoint before"
            )
    if rate and rows:
        lost = tuple(_lost(w.stored, rate) for _, w, _ in rows)
        count = (rows[-1][1].stored.size,) * len(rows)
        yield Signal("rounded_away", tuple(step for step, _, _ in rows), lost, count, 0.0, "an adapter kept in fp32")


def _unchanged(before: Array, after: Array) -> float:
    """Share of stored numbers, zeros aside, that are what they were."""
    known = np.isfinite(after) & ((before != 0) | (after != 0))
    return float((before == after)[known].mean()) if known.any() else 0.0


def _lost(stored: Array, rate: float) -> float:
    """Share of weights of which bf16 rounds a step of `rate` away.

    A bf16 has 8 bits: half of the last is 2^-9 to 2^-8 of the number. Adam's steps are about the rate.
    """
    known = stored[np.isfinite(stored) & (stored != 0)]
    return float((np.abs(known) > 512 * rate).mean()) if known.size else 0.0
