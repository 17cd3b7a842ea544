"""One picture, measured for comparison with others: a small view, colour, contrast, and the power of its frequencies.

Runs in worker processes; what it finds is kept by content, as the dataset exam's facts are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from lora_doctor.dataset.arrays import Array, single_threaded
from lora_doctor.dataset.cache import Cache
from lora_doctor.dataset.decode import UndecodableError, decode, read_header
from lora_doctor.dataset.examine import read_bytes
from lora_doctor.dataset.record import Images
from lora_doctor.dataset.workers import cores, spread

KIND = "pixels-1"  # of the cache's rows; another number for other measurements
VIEW = 64  # pixels of the longer side that crops are compared at
WORKED = 1024  # pixels of the longer side; larger pictures are halved first
PERIODS = (8, 16, 32)  # pixels: SDXL's latents; FLUX.2's tokens; SANA's latents
CHUNK, FEW = 8, 32
PIXELS = np.dtype(
    [
        ("ok", "u1"),
        ("view", "u1", (VIEW, VIEW, 3)),  # Lab, filled up below and at the right
        ("size", "u1", (2,)),  # width and height of the view
        ("chroma", "f4"),  # 95th percentile of the distance from grey, Lab units
        ("light", "f4", (2,)),  # mean and standard deviation of lightness, 0 to 255
        ("tint", "f4", (2,)),  # mean a and b, Lab units from grey
        ("clipped", "f4"),  # share of pixels with a channel at 253 or more, or black
        ("detail", "f4"),  # log10 of the share of power above a quarter of a cycle per pixel
        ("grid", "f4", (len(PERIODS),)),  # log2 of the power at a period's harmonics by that of their neighbours
    ]
)


def measure(image: Array) -> Array:
    """The record of a picture (BGR or one channel, 8 bits)."""
    record = np.zeros((), PIXELS)
    colour = image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    while max(colour.shape[:2]) > WORKED:
        half = (max(1, colour.shape[1] // 2), max(1, colour.shape[0] // 2))
        colour = cv2.resize(colour, half, interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(_shrunk(colour, 256), cv2.COLOR_BGR2LAB).astype(np.float32)
    chroma = np.hypot(lab[..., 1] - 128, lab[..., 2] - 128)
    record["ok"] = 1
    record["chroma"] = np.percentile(chroma, 95)
    record["light"] = lab[..., 0].mean(), lab[..., 0].std()
    record["tint"] = lab[..., 1].mean() - 128, lab[..., 2].mean() - 128
    high = colour.max(2)
    record["clipped"] = float(((high >= 253) | (high <= 2)).mean())
    grey = cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY).astype(np.float32)
    record["detail"] = detail(grey)
    record["grid"] = grid(grey)
    view = cv2.cvtColor(_shrunk(colour, VIEW), cv2.COLOR_BGR2LAB)
    record["size"] = view.shape[1], view.shape[0]
    record["view"][: view.shape[0], : view.shape[1]] = view
    return record


def _shrunk(image: Array, edge: int) -> Array:
    scale = edge / max(image.shape[:2])
    size = (max(4, round(image.shape[1] * scale)), max(4, round(image.shape[0] * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def detail(grey: Array) -> float:
    """log10 of the share of a picture's power (its mean aside) above a quarter of a cycle per pixel.

    Of the largest square in the middle, windowed so that its edges are no detail.
    """
    side = min(512, *grey.shape) // 2 * 2
    top, left = (grey.shape[0] - side) // 2, (grey.shape[1] - side) // 2
    square = grey[top : top + side, left : left + side]
    window = cv2.createHanningWindow((side, side), cv2.CV_32F)
    spectrum = cv2.dft((square - square.mean()) * window, flags=cv2.DFT_COMPLEX_OUTPUT)
    power = (spectrum**2).sum(2)
    frequency = np.abs(np.fft.fftfreq(side)).astype(np.float32)
    high = np.maximum(frequency[:, None], frequency[None, :]) >= 0.25
    return float(np.log10(max(float(power[high].sum()), 1e-9) / max(float(power.sum()), 1e-6)))


def grid(grey: Array) -> list[float]:
    """For each period, how much its harmonics stand out of a row's or column's spectrum, the worse of both.

    Rows and columns of steps between neighbours are averaged first: what repeats at a fixed place adds up, the picture
    itself does not.
    """
    found = [0.0] * len(PERIODS)
    for plane in (grey, grey.T):
        length = plane.shape[1] // 64 * 64
        if length < 128:
            continue
        steps = np.abs(np.diff(plane[:, :length], axis=1, append=plane[:, length - 1 : length]))
        profile = np.minimum(steps, 24).mean(0)  # a single strong edge is no grid
        power = np.abs(np.fft.rfft((profile - profile.mean()) * np.hanning(length))) ** 2
        for i, period in enumerate(PERIODS):
            found[i] = max(found[i], _peaks(power, length // period, 1 if i == 0 else 2))
    return found


def _peaks(power: Array, base: int, every: int) -> float:
    """Mean over harmonics of `base` (a bin) of log2 of the power by the median around it.

    Every second one only where the others are those of half the period: JPEG has a grid of 8 pixels of its own.
    """
    ratios = []
    for place in range(base, len(power) - 1, base * every):
        around = np.concatenate([power[max(1, place - 10) : place - 2], power[place + 3 : place + 11]])
        ratios.append(np.log2(max(power[place], 1e-12) / max(float(np.median(around)), 1e-12)))
    return float(np.mean(ratios)) if ratios else 0.0


def measure_files(folder: Path, images: Images, cache: Cache, tell: Callable[[int], None] | None = None) -> Array:
    """Records of examined images, in their order; those of broken ones stay empty. `tell` gets how many were done."""
    digests = [digest.tobytes() for digest in images.records["digest"]]
    sound = images.sound().tolist()
    known = {d: v for d, v in cache.more(KIND, [digests[i] for i in sound]).items() if len(v) == PIXELS.itemsize}
    records = np.zeros(len(images), PIXELS)
    todo: dict[bytes, str] = {}
    for place in sound:
        if digests[place] not in known:
            todo.setdefault(digests[place], str(folder / images.names[place]))
    for digest, record in _measured(list(todo.items())):
        known[digest] = record
        cache.keep_more(KIND, digest, record)
        if tell:
            tell(1)
    cache.commit()
    for place in sound:
        if digests[place] in known:
            records[place] = np.frombuffer(known[digests[place]], PIXELS)[0]
    return records


def _measured(todo: Sequence[tuple[bytes, str]]) -> Iterable[tuple[bytes, bytes]]:
    count = min(cores(), -(-len(todo) // CHUNK))
    if count <= 1 or len(todo) < FEW:
        single_threaded()
        return _task(list(todo))
    return spread(_task, (list(todo[at : at + CHUNK]) for at in range(0, len(todo), CHUNK)), count)


def _task(files: list[tuple[bytes, str]]) -> list[tuple[bytes, bytes]]:
    found = []
    for digest, path in files:
        try:
            data = read_bytes(path)
            image, _, _ = decode(data, read_header(data))
            found.append((digest, measure(image).tobytes()))
        except (UndecodableError, MemoryError):  # changed or gone since it was listed
            continue
    return found
