"""Small data sets written down, one file a line, for the examples of rules and for tests.

`a.png: 512x512 photo` makes an image; what follows changes it, in this order:

    photo product noise flat half white black mid
                                           what it shows (photo: shapes and texture, made from the file's name;
                                           product: some of that on white)
    like=b.png mirror=b.png crop=b.png     another image of the list instead, recoded, mirrored or cut by a fifth
    upscaled=2 blur=3 motion=25            softer: enlarged, Gaussian radius, pixels of motion
    dark=0.1 bright=3 contrast=0.3 grain=9 light, contrast, noise in levels
    grey bars=0.1 shift=6                  without colour, letterboxed, moved right
    mark                                   lettering in the corner at the bottom right
    through=30                             saved as a JPEG of this quality first
    alpha cmyk bits=16 profile=P3          how it is stored
    quality=20 exif=6 as=png cut=0.5       JPEG quality, EXIF orientation, another format than the name says, cut short

Any other text after the colon is the file's content.
"""

from __future__ import annotations

import io
import re
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageCms

from lora_doctor.dataset.arrays import Array

_SIZE = re.compile(r"(\d+)x(\d+)\b ?(.*)")
FORMATS = {
    "jpg": "JPEG",
    "jpeg": "JPEG",
    "png": "PNG",
    "webp": "WEBP",
    "bmp": "BMP",
    "tif": "TIFF",
    "gif": "GIF",
    "avif": "AVIF",
}


def write_described(text: str, folder: Path) -> None:
    """Write every file of a description into a folder."""
    images: dict[str, Array] = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        name, _, content = line.strip().partition(": ")
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        match = _SIZE.match(content)
        if match is None:
            path.write_text(content, encoding="utf-8")
            continue
        words = dict(word.partition("=")[::2] for word in match[3].split())
        images[name] = _pixels(name, (int(match[1]), int(match[2])), words, images)
        path.write_bytes(_encoded(name, images[name], words))


def _pixels(name: str, size: tuple[int, int], words: dict[str, str], others: dict[str, Array]) -> Array:
    image = _subject(name, size, words, others)
    if "upscaled" in words:
        factor = float(words["upscaled"])
        small = cv2.resize(image, (round(size[0] / factor), round(size[1] / factor)), interpolation=cv2.INTER_AREA)
        image = cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)
    if "blur" in words:
        image = cv2.GaussianBlur(image, (0, 0), float(words["blur"]))
    if "motion" in words:
        length = int(words["motion"])
        image = cv2.blur(image, (length, 1))
    return _lit(image, words, name)


def _subject(name: str, size: tuple[int, int], words: dict[str, str], others: dict[str, Array]) -> Array:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    width, height = size
    for word in ("like", "mirror", "crop"):
        if word in words:
            image = others[words[word]]
            image = image[:, ::-1] if word == "mirror" else image
            if word == "crop":
                image = image[image.shape[0] // 5 :, : image.shape[1] * 4 // 5]
            return cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA)
    flat = {"flat": 120, "white": 255, "black": 0, "mid": 128}
    for word, level in flat.items():
        if word in words:
            return np.full((height, width, 3), level, np.uint8)
    if "product" in words:
        image = np.full((height, width, 3), 255, np.uint8)
        image[height // 3 : height * 2 // 3, width // 3 : width * 2 // 3] = photo((width, height), rng)[
            height // 3 : height * 2 // 3, width // 3 : width * 2 // 3
        ]
        return image
    if "half" in words:
        image = np.zeros((height, width, 3), np.uint8)
        image[:, width // 2 :] = 255
        return image
    if "noise" in words:
        return rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    return photo(size, rng)


def photo(size: tuple[int, int], rng: Any) -> Array:
    """Something with edges, texture, colours and shades, different for every state of `rng`."""
    width, height = size
    image = np.zeros((height, width, 3), np.float32)
    for cells, strength in ((3, 70), (9, 40), (40, 26)):
        grid = rng.normal(0, strength, (cells, cells, 3)).astype(np.float32)
        image += cv2.resize(grid, size, interpolation=cv2.INTER_CUBIC)
    image = np.ascontiguousarray(image + rng.uniform(70, 170, 3).astype(np.float32))
    for _ in range(26):
        colour = tuple(float(level) for level in rng.uniform(0, 255, 3))
        centre = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        axes = (int(rng.integers(4, max(5, width // 5))), int(rng.integers(4, max(5, height // 5))))
        cv2.ellipse(image, centre, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
    grain = rng.normal(0, 1, (height, width, 1)).astype(np.float32)
    image += 5 * (grain + cv2.GaussianBlur(grain, (0, 0), 1.2)[..., None] * 3)
    return np.clip(image, 0, 255).astype(np.uint8)


def _lit(image: Array, words: dict[str, str], name: str) -> Array:
    levels = image.astype(np.float32)
    levels *= float(words.get("dark", 1)) * float(words.get("bright", 1))
    if "contrast" in words:
        levels = 128 + (levels - levels.mean()) * float(words["contrast"])
    if "grain" in words:
        levels += np.random.default_rng(zlib.crc32(name.encode()) + 1).normal(0, float(words["grain"]), levels.shape)
    image = np.clip(levels, 0, 255).astype(np.uint8)
    if "grey" in words:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    if "bars" in words:
        high = round(image.shape[0] * float(words["bars"]))
        image[:high] = image[-high:] = 0
    if "shift" in words:
        image = np.roll(image, int(words["shift"]), 1)
    if "mark" in words:
        height, width = image.shape[:2]
        place = (width - width // 3, height - height // 16)
        thick = max(2, width // 150)
        cv2.putText(image, "studio", place, cv2.FONT_HERSHEY_SIMPLEX, width / 330, (255, 255, 255), thick)
    if "through" in words:
        coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(words["through"])])[1]
        image = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    return image


def _encoded(name: str, image: Array, words: dict[str, str]) -> bytes:
    suffix = words.get("as", name.rpartition(".")[2].lower())
    if words.get("bits") == "16":
        return bytes(cv2.imencode(".png", image.astype(np.uint16) * 257)[1])
    picture = Image.fromarray(np.ascontiguousarray(image[..., ::-1]))
    more: dict[str, Any] = {"quality": int(words.get("quality", 95))} if suffix in ("jpg", "jpeg", "webp") else {}
    if "alpha" in words:
        picture = picture.convert("RGBA")
        mask = Image.new("L", picture.size, 0)
        mask.paste(255, (picture.width // 4, picture.height // 4, picture.width * 3 // 4, picture.height * 3 // 4))
        picture.putalpha(mask)
    if "cmyk" in words:
        picture = picture.convert("CMYK")
    if "profile" in words:
        more["icc_profile"] = _profile(words["profile"])
    if "exif" in words:
        exif = Image.Exif()
        exif[274] = int(words["exif"])
        more["exif"] = exif
    buffer = io.BytesIO()
    picture.save(buffer, FORMATS[suffix], **more)
    data = buffer.getvalue()
    return data[: int(len(data) * float(words["cut"]))] if "cut" in words else data


def _profile(title: str) -> bytes:
    """An sRGB profile whose description says something else: only the name is looked at."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    old = "sRGB built-in"
    new = f"{title:13.13}"
    changed = data.replace(old.encode("utf-16-be"), new.encode("utf-16-be")).replace(old.encode(), new.encode())
    return bytes(changed)
