"""What is known of one image file, in documented units; None where it could not be measured."""

from __future__ import annotations

import math
import os
from typing import NamedTuple

VERSION = 7  # of the measurements: a cache of another version is not read


LIMITS = ("lora-doctor", "this machine's memory", "can't be examined")  # in errors that are ours


class ImageFacts(NamedTuple):
    """One image file. Sizes and lengths are pixels of the file as stored, levels are 0 to 255, shares 0 to 1.

    `error` says why it could not be examined; everything measured is then None, and what the header told is kept.
    """

    name: str  # relative to its folder
    error: str = ""
    size: int = 0  # bytes
    format: str = ""  # by content: jpeg, png, webp, bmp, tiff, gif, avif...
    width: int = 0
    height: int = 0
    orientation: int = 1  # EXIF, 1 to 8; 1 is upright
    mode: str = ""  # L, RGB, RGBA, P, CMYK, I;16...
    bits: int = 8  # per channel
    frames: int = 1  # more than one: an animation, of which trainers take the first frame
    profile: str = ""  # the embedded colour profile where it is not sRGB
    quality: int | None = None  # of a JPEG, on libjpeg's scale, read from its quantisation tables
    transparent: float | None = None  # share of pixels that are not opaque; None without an alpha channel
    hidden: float | None = None  # levels by which the colours below the transparency differ from white, on average
    chroma: float | None = None  # mean distance of the brightest from the darkest channel, levels: 0 is grey
    black: float | None = None  # 1st percentile of the brightest channel, levels
    middle: float | None = None  # its median
    white: float | None = None  # its 99.9th percentile
    contrast: float | None = None  # levels between its 0.1st and 99.9th percentile, or those of a channel if farther
    between: float | None = None  # share of pixels whose brightest channel is neither black nor white (16 to 239)
    clipped: float | None = None  # share of pale pixels with a channel at 254 or more; 0 where that is paper
    blur: float | None = None  # radius (sigma) of the sharpest strong edges in their softest direction, pixels
    detail: float | None = None  # the share of its width that its finest detail needs: 0.5 after enlarging twice
    noise: float | None = None  # standard deviation in the flattest parts, levels
    blocks: float | None = None  # strength of an 8 x 8 grid that JPEG left in a file of another format: 1 is none
    bars: tuple[int, int, int, int] = (0, 0, 0, 0)  # width of plain bars: left, top, right, bottom
    texture: float | None = None  # levels of contrast that its fingerprint stands on; flat pictures resemble any other
    digest: bytes = b""  # SHA-256 of the file
    pixels: int = 0  # checksum of the decoded pixels
    hash: bytes = b""  # 256 bits of its coarse structure
    thumb: bytes = b""  # 8 x 8 pixels, Lab

    @property
    def broken(self) -> bool:
        """Whether trainers will fail at it too; what is only too much for lora-doctor says nothing about the file."""
        return bool(self.error) and not any(limit in self.error for limit in LIMITS)

    @property
    def shown(self) -> tuple[int, int]:
        """Width and height as a viewer shows it, turned by EXIF."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)

    @property
    def edge(self) -> float:
        """The edge of the square with as many pixels."""
        return math.sqrt(self.width * self.height)

    def blur_at(self, edge: int) -> float | None:
        """The blur in pixels once the image is shrunk to `edge` x `edge` pixels' area."""
        if self.blur is None or not self.width:
            return None
        return self.blur * min(1.0, edge / self.edge)


class Features(NamedTuple):
    """What a second look at two images needs: kept on disk, not in memory."""

    points: bytes  # x, y as uint8 pairs, pixels of a copy whose longer side has 208
    descriptors: bytes  # 32 bytes a point
    edges: bytes = b""  # which cells of a grid have strong edges, a bit each (`overlay`)
    grey: bytes = b""  # 32 x 32 pixels


SUFFIXES = {
    "jpeg": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "png": {".png"},
    "webp": {".webp"},
    "bmp": {".bmp"},
    "tiff": {".tif", ".tiff"},
    "gif": {".gif"},
    "avif": {".avif", ".heic", ".heif"},
}


def suffix(name: str) -> str:
    """The file name's ending with its dot, in lower case."""
    return os.path.splitext(name)[1].lower()
