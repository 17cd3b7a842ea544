"""One image: read once, decoded once, everything measured. Runs in the worker processes."""

from __future__ import annotations

import hashlib
import os
import stat
import zlib
from typing import NamedTuple

import cv2
import numpy as np

from lora_doctor.dataset import fingerprint, sharpness, tone
from lora_doctor.dataset.arrays import Array
from lora_doctor.dataset.decode import Header, UndecodableError, decode, read_header
from lora_doctor.dataset.facts import Features, ImageFacts

MAX_BYTES = 1024**3
LARGE = 1200  # pixels of the shorter side: a copy a quarter as large shows where the edges are
TINY = 8  # pixels of a side, below which nothing is measured
NO_FEATURES = Features(b"", b"")


class Examined(NamedTuple):
    """What one file came to."""

    facts: ImageFacts
    features: Features = NO_FEATURES


def read_bytes(path: str) -> bytes:
    """The file's content.

    Raises:
        UndecodableError: it can't be read, or is no ordinary file.
    """
    try:
        state = os.stat(path)
        if not stat.S_ISREG(state.st_mode):
            raise UndecodableError("a folder, pipe or device, not a file")
        if state.st_size > MAX_BYTES:
            raise UndecodableError(f"{state.st_size / 1e9:.1f} GB: more than lora-doctor reads")
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        if os.path.islink(path) and isinstance(error, FileNotFoundError):
            raise UndecodableError("a link to nothing") from None
        raise UndecodableError(f"can't be read: {(error.strerror or str(error)).lower()}") from None


def examine(name: str, data: bytes, digest: bytes = b"") -> Examined:
    """Everything about one file's content; whatever is wrong with it becomes `error`."""
    known = ImageFacts(name, size=len(data), digest=digest or hashlib.sha256(data).digest())
    try:
        header = read_header(data)
    except UndecodableError as error:
        return Examined(known._replace(error=str(error)))
    known = known._replace(
        format=header.format,
        width=header.width,
        height=header.height,
        orientation=header.orientation,
        mode=header.mode,
        bits=header.bits,
        frames=header.frames,
        profile=header.profile,
        quality=header.quality,
    )
    try:
        image, alpha, halved = decode(data, header)
        return _measured(known, header, image, alpha, halved)
    except UndecodableError as error:
        return Examined(known._replace(error=str(error)))
    except MemoryError:
        return Examined(known._replace(error="too large for this machine's memory"))
    except Exception as error:  # one strange file must not stop the scan
        return Examined(known._replace(error=f"can't be examined ({type(error).__name__})"))


def _measured(known: ImageFacts, header: Header, image: Array, alpha: Array | None, halved: int) -> Examined:
    transparent, hidden = _below(image, alpha)
    if alpha is not None:
        image = _on_white(image, alpha)
    if min(image.shape[:2]) < TINY:
        return Examined(known._replace(transparent=transparent, hidden=hidden, pixels=zlib.crc32(image.tobytes())))
    times, step, small = _smaller(image)
    grey = cv2.cvtColor(step, cv2.COLOR_BGR2GRAY) if step.ndim == 3 else step
    sharp = sharpness.measure(image, grey, times)
    rows = tone.sample(image)
    light = tone.measure(rows, small)
    shares = tone.bars(small)
    printed = fingerprint.measure(small)
    factor = 1 << halved
    left, top, right, bottom = shares
    facts = known._replace(
        transparent=transparent,
        hidden=hidden,
        chroma=light.chroma,
        black=light.black,
        middle=light.middle,
        white=light.white,
        contrast=light.contrast,
        between=light.between,
        clipped=light.clipped,
        blur=None if sharp.blur is None else sharp.blur * factor,
        detail=None if sharp.detail is None else sharp.detail / factor if halved else sharp.detail,
        noise=sharp.noise,
        blocks=None if header.format == "jpeg" or halved or alpha is not None else tone.blocks(rows),
        bars=(
            round(left * header.width),
            round(top * header.height),
            round(right * header.width),
            round(bottom * header.height),
        ),
        texture=printed.texture,
        pixels=light.pixels,
        hash=printed.hash,
        thumb=printed.thumb,
    )
    return Examined(facts, printed.features)


def _below(image: Array, alpha: Array | None) -> tuple[float | None, float | None]:
    """Share of pixels that are not opaque, and how far the colours under them are from white."""
    if alpha is None:
        return None, None
    clear = alpha < 255
    share = float(clear.mean())
    if not share:
        return 0.0, None
    under = image[clear].astype(np.float32)
    weight = (255.0 - alpha[clear].astype(np.float32)) / 255.0
    far = (255.0 - under).mean(1) if under.ndim == 2 else 255.0 - under
    return share, float((far * weight).mean())


def _on_white(image: Array, alpha: Array) -> Array:
    opaque = alpha.astype(np.uint16)[..., None] if image.ndim == 3 else alpha.astype(np.uint16)
    return ((image * opaque + 255 * (255 - opaque)) // 255).astype(np.uint8)


def _smaller(image: Array) -> tuple[int, Array, Array]:
    """How much smaller the first copy is (2 or 4 times), the copy, and one with a longer side of RASTER pixels."""
    height, width = image.shape[:2]
    if min(height, width) >= LARGE:  # the mean of four pixels of sixteen: no other reduction is as fast
        times, way, whole = 4, cv2.INTER_LINEAR, image[: height // 4 * 4, : width // 4 * 4]
    else:
        times, way, whole = 2, cv2.INTER_AREA, image
    step = first = cv2.resize(whole, (max(1, width // times), max(1, height // times)), interpolation=way)
    scale = fingerprint.RASTER / max(width, height)
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    while min(step.shape[:2]) >= 2 * min(size):
        step = cv2.resize(step, (step.shape[1] // 2, step.shape[0] // 2), interpolation=cv2.INTER_AREA)
    return times, first, cv2.resize(step, size, interpolation=cv2.INTER_LINEAR)  # by less than two
