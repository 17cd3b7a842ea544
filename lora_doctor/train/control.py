"""Control images, what the model is shown of an edit: which belong to an image, and at which size it sees them.

FLUX.2 Klein sees each at its own shape, as `Flux2KleinPipeline` prepares images: scaled down to a megapixel (to the
resolution trained at, where that is less: the picture and its control image stay as large as each other), then cut
evenly to multiples of two latents. SDXL lays the control image under the noise: it goes to its target's bucket.
No torch here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from lora_doctor.dataset.arrays import Array
from lora_doctor.dataset.beside import partners
from lora_doctor.dataset.buckets import covering
from lora_doctor.dataset.cache import Cache
from lora_doctor.dataset.exam import EXAMINED
from lora_doctor.dataset.facts import suffix
from lora_doctor.dataset.imageset import Placed, listed
from lora_doctor.dataset.listing import list_folder
from lora_doctor.dataset.scan import scan
from lora_doctor.source.document import SourceError
from lora_doctor.train.job import Data, Job
from lora_doctor.train.preflight import divisor_of

AREA = 1024 * 1024  # pixels, above which Flux2KleinPipeline scales an image down
SHORTEST, WIDEST = 64, 8  # pixels of the shorter side, ratio of sides: other images its image processor refuses


class Control(NamedTuple):
    """One control image: its file, width and height as shown in pixels."""

    path: Path
    size: tuple[int, int]


class View(NamedTuple):
    """A control image as the model gets it: scaled to `scaled`, its middle of `size`; width and height, pixels."""

    path: Path
    size: tuple[int, int]
    scaled: tuple[int, int] | None = None  # None: fitted into `size` as a target is
    original: tuple[int, int] = (0, 0)


class Controls(NamedTuple):
    """The control images of a folder's images by name, and images that can't be trained because of theirs."""

    of: Mapping[str, tuple[Control, ...]]
    failed: list[tuple[str, str]]


def controls(data: Data, store: Cache) -> Controls:
    """The control images of every image of a folder.

    Raises:
        SourceError: images have none: trained without, they would teach something else.
    """
    of: dict[str, tuple[Control, ...]] = dict.fromkeys(data.names, ())
    wrong: dict[str, str] = {}
    for folder in data.control:
        listing = list_folder(folder, recursive=True)
        names = [name for name in (listing.images if listing else ()) if suffix(name) in EXAMINED]
        own = partners(names)
        lone = [name for name in data.names if not own(name)]
        if lone:
            raise SourceError(
                f"{len(lone)} of {len(data.names)} images have no control image of their name in {folder}: "
                f"{listed(lone)}; give both the same name, or leave them out"
            )
        wanted = sorted({each for name in data.names for each in own(name)})
        facts = {image.name: image for image in scan(folder, wanted, store, apart=True)}
        for name in data.names:
            for each in own(name):
                image = facts[each]
                if image.error:
                    wrong.setdefault(name, f"has the control image {folder.name}/{each}, which {image.error}")
                else:
                    of[name] += (Control(folder / each, image.shown),)
    return Controls({name: found for name, found in of.items() if name not in wrong}, sorted(wrong.items()))


Viewing = Callable[[Sequence[Control], int, Placed], tuple[View, ...]]


def viewing(job: Job) -> Viewing:
    """How a job's model sees control images: of an image at a resolution (edge, pixels), placed in its bucket."""
    step = _step(job) if job.edits and job.model.family == "flux2-klein" else 0

    def views(found: Sequence[Control], edge: int, place: Placed) -> tuple[View, ...]:
        if not step:
            if len(found) > 1:
                raise SourceError(f"{found[0].path} and {found[1].path} are for one image: SDXL is shown one of them")
            return tuple(View(each.path, (place.width, place.height), None, each.size) for each in found)
        return tuple(_own_shape(each, edge, step) for each in found)

    return views


def _step(job: Job) -> int:
    """Pixels that sides of Klein's images are multiples of: two latents."""
    folder = job.model.vae or job.model.path / "vae"
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError):
        return 16
    return divisor_of("flux2-klein", {"vae": config})


def _own_shape(found: Control, edge: int, step: int) -> View:
    """As `Flux2KleinPipeline.__call__` does.

    Raises:
        SourceError: the pipeline would refuse the image.
    """
    width, height = scaled = _scaled(found.size, min(AREA, edge * edge))
    if min(scaled) < SHORTEST or max(width / height, height / width) > WIDEST:
        sides = f"{width}x{height} px" + (f", scaled from {found.size[0]}x{found.size[1]}" * (scaled != found.size))
        raise SourceError(
            f"{found.path} can't be a control image of FLUX.2 Klein ({sides}): its pipeline wants a shorter side of "
            f"{SHORTEST} px at least, and the longer one at most {WIDEST} times as long"
        )
    return View(found.path, (width // step * step, height // step * step), scaled, found.size)


def _scaled(size: tuple[int, int], area: int) -> tuple[int, int]:
    """As `Flux2ImageProcessor._resize_if_exceeds_area` does: down to an area, sides cut to whole pixels."""
    width, height = size
    if width * height <= area:
        return size
    scale = math.sqrt(area / (width * height))
    return int(width * scale), int(height * scale)


def seen(view: View, data: bytes) -> Image.Image:
    """A control image as the pipeline is handed it: turned by EXIF, on white, RGB, at most as large as it will be.

    Raises:
        SourceError: it can't be decoded.
    """
    from lora_doctor.train.images import pixels, upright

    if view.scaled is None:
        place = covering(*view.original, view.size)
        return Image.fromarray(pixels(data, place, str(view.path)))
    image = upright(data, str(view.path)).convert("RGB")
    return image if image.size == view.scaled else image.resize(view.scaled, Image.Resampling.LANCZOS)


def seen_pixels(view: View, data: bytes) -> Array:
    """The same, cut to its size: `[height, width, 3]`, 0 to 255.

    Raises:
        SourceError: it can't be decoded.
    """
    image, (width, height) = seen(view, data), view.size
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return np.asarray(image.crop((left, top, left + width, top + height)))


def spare(data: Data) -> Iterator[tuple[Path, list[str]]]:
    """Control images that belong to no image of the folder, by control folder."""
    for folder in data.control:
        listing = list_folder(folder, recursive=True)
        names = listing.images if listing else ()
        own = partners(names)
        used = {each for name in data.names for each in own(name)}
        rest = [name for name in names if name not in used]
        if rest:
            yield folder, rest
