"""Bytes become a header and pixels, by content and not by extension."""

from __future__ import annotations

import io
import os
import struct
import threading
import warnings
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageCms

from lora_doctor.dataset.arrays import Array

# Pixels, chosen so that a worker stays below 300 MB, by what the decoders were measured to take per pixel.
MAX_SEQUENTIAL = 178_000_000  # JPEGs that are shrunk while they are decoded
MAX_PROGRESSIVE = 64_000_000  # JPEGs whose coefficients are held: 3 bytes
MAX_PIXELS = 40_000_000  # PNG, TIFF, BMP: 6 bytes
MAX_LAYERED = 22_000_000  # with transparency, or CMYK: 10 bytes
MAX_FRAMED = 15_000_000  # WebP, AVIF, GIF: 15 bytes
MAX_DIRECT = 16_000_000  # pixels of a format other than JPEG that are handed to OpenCV, which needs more memory
WORKING_EDGE = 1536  # larger images are halved until they are just above: sizes that people train at
FORMATS = {"JPEG": "jpeg", "MPO": "jpeg", "PNG": "png", "WEBP": "webp", "BMP": "bmp", "DIB": "bmp", "TIFF": "tiff",
           "GIF": "gif", "AVIF": "avif"}  # fmt: skip
DIRECT = {"jpeg": ("RGB", "L"), "png": ("RGB", "L"), "webp": ("RGB",), "bmp": ("RGB", "L")}  # left to OpenCV
SRGB = ("srgb", "iec61966", "google/skia", "sgry", "dot gain", "gray gamma 2.2")
# libjpeg's table for quality 50 (ITU T.81, annex K), sorted.
LUMA = sorted(
    [16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
     87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
     72, 92, 95, 98, 112, 100, 103, 99]
)  # fmt: skip


class UndecodableError(Exception):
    """Why an image can't be examined: one phrase."""


class Header(NamedTuple):
    """What the first bytes tell."""

    format: str
    width: int
    height: int
    orientation: int
    mode: str
    bits: int
    frames: int
    profile: str
    quality: int | None
    transparent: bool
    shrinkable: bool  # a JPEG that can be decoded at half size without being held whole


def read_header(data: bytes) -> Header:
    """What the file is.

    Raises:
        UndecodableError: it is no image.
    """
    if not data:
        raise UndecodableError("the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PIL warns of large images; we refuse them ourselves
            image = Image.open(io.BytesIO(data))
            return _header(image, data)
    except Image.DecompressionBombError:
        raise UndecodableError("more than 178 million pixels") from None
    except Exception as error:  # plugins raise whatever they please at broken headers
        raise UndecodableError(_not_an_image(data)) from error


def _not_an_image(data: bytes) -> str:
    head = data[:512].lstrip().lower()
    if head.startswith((b"<!doctype", b"<html", b"<?xml", b"<svg")):
        return "a web page or drawing, not an image"
    if head.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer: the image itself was not downloaded (`git lfs pull`)"
    if not data.strip(b"\0"):
        return "nothing but zero bytes"
    return "not an image, or its header is broken"


def _header(image: Any, data: bytes) -> Header:
    name = FORMATS.get(image.format or "", (image.format or "").lower())
    width, height = image.size
    if width < 1 or height < 1:
        raise UndecodableError("no pixels")
    return Header(
        name,
        width,
        height,
        _orientation(image),
        image.mode,
        _bits(image, data, name),
        1 if image.format == "MPO" else int(getattr(image, "n_frames", 1)),  # a camera's preview is no animation
        _profile(image.info.get("icc_profile")),
        _quality(getattr(image, "quantization", None)) if name == "jpeg" else None,
        image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info,
        name == "jpeg" and "progressive" not in image.info and image.mode in ("RGB", "L"),
    )


def _orientation(image: Any) -> int:
    """From the EXIF block that was read with the header: asking a PNG for its EXIF would decode it."""
    block = image.info.get("exif")
    if not block:
        return int(image.tag_v2.get(274, 1)) if image.format == "TIFF" else 1
    try:
        exif = Image.Exif()
        exif.load(block)
        value = exif.get(274, 1)
        return value if isinstance(value, int) and 1 <= value <= 8 else 1
    except Exception:  # broken EXIF is common and harmless
        return 1


def _bits(image: Any, data: bytes, name: str) -> int:
    if name == "png":
        return data[24] if len(data) > 24 else 8
    if name == "tiff":
        bits = image.tag_v2.get(258, (8,))
        return int(bits[0] if isinstance(bits, tuple) else bits)
    return 8


def _profile(icc: bytes | None) -> str:
    """The profile's own description, where it is not a spelling of sRGB."""
    if not icc:
        return ""
    try:
        title = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc))).strip()
    except Exception:  # a broken profile: every trainer ignores it
        return ""
    small = title.lower()
    return "" if not title or small == "c2" or any(word in small for word in SRGB) else title[:31]


def _quality(tables: dict[int, list[int]] | None) -> int | None:
    """The quality on libjpeg's scale whose sorted luma table is nearest."""
    return _nearest(tuple(tables[0])) if tables and tables.get(0) else None


@lru_cache(256)
def _nearest(table: tuple[int, ...]) -> int:
    own = np.sort(np.asarray(table, np.float32))
    return int(np.abs(_scaled() - own).mean(1).argmin()) + 1


@lru_cache(1)
def _scaled() -> Array:
    """libjpeg's luma table, sorted, for the qualities 1 to 100."""
    quality = np.arange(1, 101)
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    return np.clip((np.outer(scale, LUMA) + 50) // 100, 1, 255)


def decode(data: bytes, header: Header, halved: int | None = None) -> tuple[Array, Array | None, int]:
    """Pixels (BGR, or one channel), the alpha channel where there is one, and how often both were halved.

    `halved` (0 to 3) is said by who needs the pixels for training, in memory that is there; unsaid, it is what the exam
    measures at, and images that would take too much of a worker's memory are refused.

    Raises:
        UndecodableError: damaged, or too large to be held.
    """
    pixels = header.width * header.height
    jpeg = header.format == "jpeg" and header.mode in DIRECT["jpeg"]
    if halved is None:
        if pixels > _limit(header):
            raise UndecodableError(f"{pixels / 1e6:.0f} million pixels: more than lora-doctor decodes")
        halved = max(0, min(3, (int(pixels / WORKING_EDGE**2).bit_length() - 1) // 2))  # floor(log2(edge ratio))
    plain = header.mode in DIRECT.get(header.format, ()) and header.bits == 8 and not header.transparent
    if plain and (jpeg or pixels <= MAX_DIRECT):
        return _shrunk(_direct(data, halved if header.format == "jpeg" else 0), header, halved)
    return by_pillow(data, header, halved)


def _limit(header: Header) -> int:
    if header.format == "jpeg" and header.mode in DIRECT["jpeg"]:
        return MAX_SEQUENTIAL if header.shrinkable else MAX_PROGRESSIVE
    if header.format in ("webp", "avif", "gif"):
        return MAX_FRAMED
    return MAX_LAYERED if header.transparent or header.mode == "CMYK" else MAX_PIXELS


def _direct(data: bytes, halved: int) -> Array:
    import cv2  # 16 MB, which who trains does without

    reduced = (cv2.IMREAD_COLOR, cv2.IMREAD_REDUCED_COLOR_2, cv2.IMREAD_REDUCED_COLOR_4, cv2.IMREAD_REDUCED_COLOR_8)
    with _silence:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), reduced[halved] | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise UndecodableError(_damage(data))
    return image


def _shrunk(image: Array, header: Header, halved: int) -> tuple[Array, Array | None, int]:
    if halved and image.shape[1] == header.width:  # not a JPEG: OpenCV gave it whole
        import cv2

        size = (max(1, header.width >> halved), max(1, header.height >> halved))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return image, None, halved


def by_pillow(data: bytes, header: Header, halved: int) -> tuple[Array, Array | None, int]:
    """As `decode` gives them, by Pillow as trainers do: also modes and formats that OpenCV does not know.

    Raises:
        UndecodableError: damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image: Any = Image.open(io.BytesIO(data))
            if halved and header.format == "jpeg" and header.mode in DIRECT["jpeg"]:
                image.draft(None, (header.width >> halved, header.height >> halved))  # shrunk while it is decoded
            image.load()
    except Exception:  # plugins raise whatever they please at broken data
        raise UndecodableError(_damage(data)) from None
    if header.mode.startswith(("I", "F")):
        plane = Image.fromarray(_eight_bits(np.asarray(image), header))
        return np.asarray(plane.reduce(1 << halved) if halved else plane), None, halved
    mode = "RGBA" if header.transparent else "RGB"
    image = image if image.mode == mode else image.convert(mode)
    if halved and image.width == header.width:  # no JPEG
        image = image.reduce(1 << halved)
    whole = np.asarray(image)
    del image
    alpha = np.ascontiguousarray(whole[..., 3]) if header.transparent else None
    return np.ascontiguousarray(whole[..., 2::-1]), alpha, halved


def _eight_bits(plane: Array, header: Header) -> Array:
    if header.mode == "F":
        top = float(np.nanmax(plane, initial=0.0))
        return np.clip(np.nan_to_num(plane) * (255.0 / top if top > 0 else 1.0), 0, 255).astype(np.uint8)
    return np.clip(plane // 256 if header.bits > 8 else plane, 0, 255).astype(np.uint8)


def _damage(data: bytes) -> str:
    if data[:3] == b"\xff\xd8\xff" and b"\xff\xd9" not in data[-4096:]:
        return "cut short: the JPEG has no end"
    if data[:4] == b"\x89PNG" and not _png_ends(data):
        return "cut short: the PNG has no end"
    return "damaged: it can't be decoded to the end"


def _png_ends(data: bytes) -> bool:
    at = 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if data[at + 4 : at + 8] == b"IEND":
            return True
        at += 12 + length
    return False


class _Silence:
    """Standard error is away while any thread is inside: libpng and libjpeg write to it past Python.

    The first one in sends it away, the last one out brings it back. Threads that each kept and put back what they found
    would put back each other's silence, for ever.
    """

    def __init__(self) -> None:
        self._lock, self._inside, self._saved = threading.Lock(), 0, -1

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._saved = os.dup(2)
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, 2)
                os.close(null)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                os.dup2(self._saved, 2)
                os.close(self._saved)


_silence = _Silence()
