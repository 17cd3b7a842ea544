"""What goes wrong with datasets, done on purpose to a picture or its caption, each with the rule that finds it."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

Pixels = NDArray[np.float32]


class Entry(NamedTuple):
    """A picture `<stem>.png` and its caption `<stem>.txt` in a folder."""

    folder: Path
    stem: str
    caption: str

    @property
    def image(self) -> Path:
        """The picture."""
        return self.folder / f"{self.stem}.png"

    @property
    def text(self) -> Path:
        """The caption's file."""
        return self.folder / f"{self.stem}.txt"


class Defect(NamedTuple):
    """What is done, and the id of the rule that speaks of it."""

    spoil: Callable[[Entry, random.Random], None]
    rule: str


def _opened(entry: Entry) -> Image.Image:
    with Image.open(entry.image) as image:
        return image.convert("RGB")


def _on_pixels(change: Callable[[Pixels], Pixels]) -> Callable[[Entry, random.Random], None]:
    def spoil(entry: Entry, rng: random.Random) -> None:
        pixels = np.asarray(_opened(entry), np.float32)
        Image.fromarray(np.clip(change(pixels) + 0.5, 0, 255).astype(np.uint8)).save(entry.image)

    return spoil


def _upscaled(pixels: Pixels) -> Pixels:
    edge = pixels.shape[0]
    small = cv2.resize(pixels, (edge // 2, edge // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (edge, edge), interpolation=cv2.INTER_CUBIC), np.float32)


def _noisy(pixels: Pixels) -> Pixels:
    noise = np.random.default_rng(0).normal(0, 45, pixels.shape)
    return np.asarray(pixels + noise, np.float32)


def _barred(pixels: Pixels) -> Pixels:
    framed = pixels.copy()
    bar = pixels.shape[0] // 6
    framed[:bar] = framed[-bar:] = 0
    return framed


def _tiny(entry: Entry, rng: random.Random) -> None:
    image = _opened(entry)
    image.resize((image.width // 4, image.height // 4), Image.Resampling.BOX).save(entry.image)


def _squeezed(entry: Entry, rng: random.Random) -> None:
    _opened(entry).save(entry.image.with_suffix(".jpg"), quality=10)
    entry.image.unlink()


def _copied(entry: Entry, rng: random.Random) -> None:
    shutil.copyfile(entry.image, entry.folder / f"{entry.stem}-copy.png")
    shutil.copyfile(entry.text, entry.folder / f"{entry.stem}-copy.txt")


def _recoded(entry: Entry, rng: random.Random) -> None:
    image = _opened(entry)
    smaller = image.resize((image.width * 7 // 8, image.height * 7 // 8), Image.Resampling.LANCZOS)
    smaller.save(entry.folder / f"{entry.stem}-small.jpg", quality=85)
    shutil.copyfile(entry.text, entry.folder / f"{entry.stem}-small.txt")


def _mirrored(entry: Entry, rng: random.Random) -> None:
    ImageOps.mirror(_opened(entry)).save(entry.folder / f"{entry.stem}-mirrored.png")
    shutil.copyfile(entry.text, entry.folder / f"{entry.stem}-mirrored.txt")


def _turned(entry: Entry, rng: random.Random) -> None:
    """The pixels lie on their side, and EXIF says so, as a phone writes it."""
    image = _opened(entry).rotate(90)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(entry.image.with_suffix(".jpg"), quality=95, exif=exif)
    entry.image.unlink()


def _misnamed(entry: Entry, rng: random.Random) -> None:
    entry.image.rename(entry.image.with_suffix(".jpg"))


def _truncated(entry: Entry, rng: random.Random) -> None:
    content = entry.image.read_bytes()
    entry.image.write_bytes(content[: len(content) // 2])


def _on_caption(change: Callable[[Entry], bytes]) -> Callable[[Entry, random.Random], None]:
    def spoil(entry: Entry, rng: random.Random) -> None:
        entry.text.write_bytes(change(entry))

    return spoil


def _uncaptioned(entry: Entry, rng: random.Random) -> None:
    entry.text.unlink()


def _orphaned(entry: Entry, rng: random.Random) -> None:
    (entry.folder / f"{entry.stem}-old.txt").write_bytes(entry.caption.encode())


DEFECTS: Final[dict[str, Defect]] = {
    "blurred": Defect(_on_pixels(lambda p: np.asarray(cv2.GaussianBlur(p, (0, 0), 7), np.float32)), "blurred-images"),
    "dark": Defect(_on_pixels(lambda p: p * 0.1), "underexposed-images"),
    "blown-out": Defect(_on_pixels(lambda p: p * 1.3 + 150), "overexposed-images"),
    "foggy": Defect(_on_pixels(lambda p: p * 0.2 + 110), "flat-contrast"),
    "noisy": Defect(_on_pixels(_noisy), "noisy-images"),
    "barred": Defect(_on_pixels(_barred), "plain-bars"),
    "upscaled": Defect(_on_pixels(_upscaled), "enlarged-before"),
    "tiny": Defect(_tiny, "images-enlarged"),
    "jpeg": Defect(_squeezed, "jpeg-artefacts"),
    "copy": Defect(_copied, "identical-images"),
    "near-copy": Defect(_recoded, "near-duplicates"),
    "mirrored-copy": Defect(_mirrored, "near-duplicates"),
    "turned": Defect(_turned, "images-lying-on-their-side"),
    "misnamed": Defect(_misnamed, "misnamed-images"),
    "truncated": Defect(_truncated, "unreadable-images"),
    "no-caption": Defect(_uncaptioned, "images-without-caption"),
    "empty-caption": Defect(_on_caption(lambda entry: b"\n"), "empty-caption"),
    "file-name-caption": Defect(
        _on_caption(lambda entry: f"IMG_{entry.stem[-2:]}31.png".encode()), "caption-repeats-file-name"
    ),
    "marked-caption": Defect(_on_caption(lambda e: b"\xef\xbb\xbf" + e.caption.encode()), "caption-starts-with-mark"),
    "latin-1-caption": Defect(_on_caption(lambda e: f"{e.caption}, caf\xe9".encode("latin-1")), "caption-not-utf8"),
    "triggerless-caption": Defect(
        _on_caption(lambda entry: b"a photo of something on a table"), "trigger-missing-from-captions"
    ),
    "orphan-caption": Defect(_orphaned, "caption-without-image"),
}
