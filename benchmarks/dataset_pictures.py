"""Pictures for the dataset benchmarks: photographs that ship in scikit-image, scikit-learn and matplotlib, degraded.

Blur and exposure are applied in linear light, as a lens and a sensor apply them. Everything is seeded.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np

Picture = Any  # BGR, uint8
TRAINING = 512  # pixels: the resolution that softness is judged at

# Set aside before anything was measured: `clock_motion` is blurred by motion, `retina` soft by its optics (both are
# told of by themselves); the right `stereo_motorcycle` is the left one's scene; `cell` and drawings are no photographs.
SKIMAGE = (
    *("astronaut", "brick", "camera", "chelsea", "coffee", "coins", "grass", "gravel", "hubble_deep_field"),
    *("immunohistochemistry", "moon", "rocket"),
)


def sources() -> dict[str, Picture]:
    """Sharp photographs by name."""
    import matplotlib.cbook
    import matplotlib.image
    from skimage import data
    from sklearn.datasets import load_sample_images

    found = {name: getattr(data, name)() for name in SKIMAGE}
    found["motorcycle"] = data.stereo_motorcycle()[0]
    found |= dict(zip(("china", "flower"), load_sample_images().images))
    path = matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    found["grace_hopper"] = matplotlib.image.imread(path)
    return {name: _bgr(image) for name, image in sorted(found.items())}


def soft_sources() -> dict[str, Picture]:
    """Photographs that are not sharp by themselves."""
    from skimage import data

    return {"clock_motion": _bgr(data.clock()), "retina": _bgr(data.retina())}


def _bgr(image: Any) -> Picture:
    image = np.asarray(image)
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, 2)
    return np.ascontiguousarray(image[..., 2::-1])


def halves(names: list[str]) -> tuple[list[str], list[str]]:
    """A fixed split by the checksum of the name."""
    ordered = sorted(names, key=lambda name: zlib.crc32(name.encode()))
    return sorted(ordered[::2]), sorted(ordered[1::2])


class Variant(NamedTuple):
    """One file: its source, what was done to it, its bytes."""

    source: str
    kind: str
    suffix: str
    data: bytes

    @property
    def name(self) -> str:
        """The file's name."""
        return f"{self.source}__{self.kind}.{self.suffix}"


def linear(image: Picture) -> Any:
    """Light, 0 to 1."""
    return (image.astype(np.float32) / 255) ** 2.2


def picture(light: Any) -> Picture:
    """8-bit levels of light."""
    return (np.clip(light, 0, 1) ** (1 / 2.2) * 255 + 0.5).astype(np.uint8)


def gauss(image: Picture, sigma: float) -> Picture:
    """Blurred by a Gaussian."""
    return picture(cv2.GaussianBlur(linear(image), (0, 0), sigma))


def disk(image: Picture, radius: int) -> Picture:
    """Out of focus."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)).astype(np.float32)
    return picture(cv2.filter2D(linear(image), -1, kernel / kernel.sum()))


def motion(image: Picture, length: int, angle: float) -> Picture:
    """Shaken along a line."""
    side = 2 * length + 1
    kernel = np.zeros((side, side), np.float32)
    direction = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))]) * length / 2
    ends = [tuple(round(length + sign * part) for part in direction) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_AA)
    return picture(cv2.filter2D(linear(image), -1, kernel / kernel.sum()))


def shallow(image: Picture, share: float) -> Picture:
    """Shallow depth of field: only an ellipse of this share of the area round the busiest place is in focus."""
    height, width = image.shape[:2]
    busy = cv2.GaussianBlur(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.CV_32F) ** 2, (0, 0), width / 16)
    y, x = np.unravel_index(int(busy.argmax()), busy.shape)
    radius = np.sqrt(share / np.pi)
    mask = np.zeros((height, width), np.float32)
    cv2.ellipse(mask, (int(x), int(y)), (int(width * radius), int(height * radius)), 0, 0, 360, 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), max(2.0, width / 80))[..., None]
    blurred = cv2.GaussianBlur(linear(image), (0, 0), width / 50)
    return picture(linear(image) * mask + blurred * (1 - mask))


def on_plain(image: Picture, level: int) -> Picture:
    """A third of the picture on a plain background."""
    height, width = image.shape[:2]
    canvas = np.full_like(image, level)
    canvas[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3] = image[
        height // 3 : 2 * height // 3, width // 3 : 2 * width // 3
    ]
    return canvas


def noisy(image: Picture, levels: float, seed: int) -> Picture:
    """With Gaussian noise."""
    noise = np.random.default_rng(seed).normal(0, levels, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def exposed(image: Picture, stops: float) -> Picture:
    """Exposure changed."""
    return picture(linear(image) * 2.0**stops)


def contrast(image: Picture, factor: float) -> Picture:
    """Towards middle grey."""
    return (128 + (image.astype(np.float32) - 128) * factor).astype(np.uint8)


def resized(image: Picture, factor: float) -> Picture:
    """Another size."""
    size = (max(8, round(image.shape[1] * factor)), max(8, round(image.shape[0] * factor)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)


def upscaled(image: Picture, factor: float) -> Picture:
    """Shrunk and enlarged again."""
    return cv2.resize(resized(image, 1 / factor), image.shape[1::-1], interpolation=cv2.INTER_CUBIC)


def cropped(image: Picture, share: float, seed: int) -> Picture:
    """Cut to `1 - share` of both sides, anywhere."""
    rng = np.random.default_rng(seed)
    height, width = (int(side * (1 - share)) for side in image.shape[:2])
    top, left = int(rng.integers(0, image.shape[0] - height + 1)), int(rng.integers(0, image.shape[1] - width + 1))
    return np.ascontiguousarray(image[top : top + height, left : left + width])


def rotated(image: Picture, degrees: float) -> Picture:
    """Turned a little, cut to what is left of it."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    turned = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.ascontiguousarray(turned[height // 12 : -height // 12, width // 12 : -width // 12])


def labelled(image: Picture) -> Picture:
    """With a watermark."""
    image = image.copy()
    size = image.shape[1] / 600
    place = (image.shape[1] // 20, image.shape[0] * 19 // 20)
    cv2.putText(image, "(c) example studio", place, cv2.FONT_HERSHEY_SIMPLEX, size, (255, 255, 255), 2)
    return image


def jpeg(image: Picture, quality: int) -> bytes:
    """As a JPEG."""
    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


def png(image: Picture) -> bytes:
    """As a PNG."""
    return bytes(cv2.imencode(".png", image)[1])


def made(source: str, image: Picture, kinds: dict[str, Callable[[Picture], Picture]]) -> Iterator[Variant]:
    """Every variant as a JPEG of quality 95."""
    for kind, make in kinds.items():
        yield Variant(source, kind, "jpg", jpeg(make(image), 95))
