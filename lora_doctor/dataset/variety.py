"""How varied a set is, as the number of images that have nothing in common and are as varied; and what stands out.

The figure is the Vendi score (Friedman & Dieng 2023): the exponential of the entropy of a similarity matrix's
eigenvalues. It is 1 for copies of one image and n for n images without likeness.
"""

from __future__ import annotations

import numpy as np

from lora_doctor.dataset.arrays import Array
from lora_doctor.dataset.imageset import Atypical, Variety
from lora_doctor.dataset.record import Images

FEWEST = 8  # images, below which nothing is said
MOST = 500  # images compared with one another; of a larger set an even sample: eigenvalues cost the cube of it
# Squared distances are divided by these: unrelated photographs then come to a likeness of 0.05 or less.
COMPOSITION, PALETTE, LIGHT = 0.66, 0.4, 1250.0
OFF = 5.0  # robust standard deviations
FLOORS = {"brightness": 12.0, "colour": 6.0, "sharpness": 0.15, "grain": 1.0, "size": 0.2, "shape": 0.15}


def variety(images: Images) -> Variety | None:
    """Of the images that could be examined."""
    sound = images.sound()
    if len(sound) < FEWEST:
        return None
    if len(sound) > MOST:
        sound = sound[np.linspace(0, len(sound) - 1, MOST).astype(int)]
    thumbs = _thumbs(images, sound)
    lightness, colours = thumbs[..., 0].reshape(len(sound), 64), thumbs[..., 1:].reshape(len(sound), 64, 2)
    layout = lightness - lightness.mean(1, keepdims=True)
    layout /= np.maximum(np.linalg.norm(layout, axis=1, keepdims=True), 1e-6)
    quantiles = np.quantile(lightness, [0.05, 0.25, 0.5, 0.75, 0.95], axis=1).T
    return Variety(
        len(sound),
        _distinct(layout, COMPOSITION),
        _distinct(_palettes(colours), PALETTE),
        _distinct(quantiles / np.sqrt(5), LIGHT),
    )


def _thumbs(images: Images, places: Array) -> Array:
    raw = np.ascontiguousarray(images.records["thumb"][places]).view(np.uint8)
    return raw.reshape(len(places), 8, 8, 3).astype(np.float32)


def _palettes(colours: Array) -> Array:
    """Roots of soft histograms over the a and b axes: their dot product says how much two palettes share."""
    centres = np.arange(-60, 61, 20, dtype=np.float32)
    near = [np.maximum(0, 1 - np.abs(colours[..., axis, None] - 128 - centres) / 20) for axis in (0, 1)]
    table = np.einsum("nki,nkj->nij", *near).reshape(len(colours), -1)
    return np.sqrt(table / np.maximum(table.sum(1, keepdims=True), 1e-6))


def _distinct(vectors: Array, width: float) -> float:
    squares = (vectors**2).sum(1)
    distances = np.maximum(0, squares[:, None] + squares[None] - 2 * vectors @ vectors.T)
    values = np.linalg.eigvalsh(np.exp(-distances / width) / len(vectors))
    values = values[values > 1e-9]
    return float(np.exp(-(values * np.log(values)).sum()))


def atypical(images: Images) -> tuple[Atypical, ...]:
    """Images that stand out from the set in two ways at least."""
    sound = images.sound()
    if len(sound) < FEWEST:
        return ()
    records = images.records[sound]
    colours = _thumbs(images, sound)[..., 1:].reshape(len(sound), 64, 2).mean(1)
    away = np.linalg.norm(colours - np.median(colours, 0), axis=1)
    sides = records["width"].astype(float), records["height"].astype(float)
    measured = {
        "brightness": records["middle"].astype(float),
        "colour": away,
        "sharpness": np.log(_filled(records["blur"]) + 0.2),
        "grain": np.nan_to_num(records["noise"].astype(float)),
        "size": np.log(np.sqrt(sides[0] * sides[1])),
        "shape": np.log(sides[0] / sides[1]),
    }
    off = {name: _off(values, FLOORS[name]) for name, values in measured.items()}
    names = list(off)
    table = np.stack([off[name] for name in names])
    found = []
    for i in np.flatnonzero((table > OFF).sum(0) >= 2).tolist():
        worst = [names[row] for row in np.argsort(-table[:, i])[:2]]
        found.append(Atypical(images.names[sound[i]], " and ".join(worst), float(np.sort(table[:, i])[-2])))
    return tuple(found) if len(found) <= max(1, len(sound) // 10) else ()


def _filled(values: Array) -> Array:
    """Unknown values become the middle of the others."""
    known = values[np.isfinite(values)]
    return np.nan_to_num(values.astype(float), nan=float(np.median(known)) if known.size else 1.0)


def _off(values: Array, floor: float) -> Array:
    middle = np.median(values)
    spread = 1.4826 * np.median(np.abs(values - middle))
    return np.abs(values - middle) / max(float(spread), floor)
