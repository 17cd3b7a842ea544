"""Small pictures for a page that has to be one file: WebP in data addresses, turned as the trainer turns them."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image, ImageOps

EDGE = 320  # pixels of the longer side: sharp on a phone at the sizes shown
QUALITY = 68
THREADS = 4  # Pillow lets go of the interpreter while it decodes


def pictures(folder: Path, names: Iterable[str], *, turned: bool = True, edge: int = EDGE) -> dict[str, str]:
    """A data address for each image that can be opened. edge: pixels of the longer side at most."""
    listed = list(names)
    with ThreadPoolExecutor(THREADS) as pool:
        made = pool.map(lambda name: _address(folder / name, turned, edge), listed)
        return {name: address for name, address in zip(listed, made) if address}


def _address(path: Path, turned: bool, edge: int) -> str:
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")
            image.draft("RGB", (2 * edge, 2 * edge))
            shown = ImageOps.exif_transpose(image) if turned else image
            small = _on_white(shown)
            small.thumbnail((edge, edge))
            stream = io.BytesIO()
            small.save(stream, "WEBP", quality=QUALITY)
    except Exception:  # plugins raise whatever they please; the finding about the file says what is wrong
        return ""
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA", "PA", "P") and (image.mode != "P" or "transparency" in image.info):
        full = image.convert("RGBA")
        ground = Image.new("RGBA", full.size, "white")
        return Image.alpha_composite(ground, full).convert("RGB")
    if image.mode.startswith(("I", "F")):
        return ImageOps.autocontrast(image.point(lambda level: level / 256).convert("L")).convert("RGB")
    return image.convert("RGB")
