"""The images of a job: what is trained on at which size, what is held out, and pixels as the model gets them.

Sizes, contents and copies come from the exam of data sets, so that what it told is what is trained: EXIF orientation is
obeyed, what is transparent shows white, and the bucket is the exam's.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from lora_doctor.dataset.arrays import Array
from lora_doctor.dataset.cache import Cache
from lora_doctor.dataset.decode import Header, UndecodableError, by_pillow, decode, read_header
from lora_doctor.dataset.exam import EXAMINED
from lora_doctor.dataset.facts import suffix
from lora_doctor.dataset.imageset import Placed, listed
from lora_doctor.dataset.listing import IMAGES, list_folder
from lora_doctor.dataset.scan import scan
from lora_doctor.dataset.together import together
from lora_doctor.source.document import SourceError
from lora_doctor.train.buckets import placed, shape_of
from lora_doctor.train.captions import variants
from lora_doctor.train.control import Control, View, controls, spare, viewing
from lora_doctor.train.job import Data, Job
from lora_doctor.train.written import Written, written

Told = Callable[[str, int, int], None]  # a folder, images done, images in all


class Picture(NamedTuple):
    """One image file. `group` is the same for copies of one picture, `captions` what is trained of its caption."""

    path: Path
    size: tuple[int, int]  # width and height as shown, pixels
    digest: bytes  # SHA-256 of the file when it was examined
    group: bytes
    captions: tuple[str, ...]
    data: int  # place of its folder in the job
    mask: Path | None = None
    regularisation: bool = False
    captioned: bool = True  # a caption was found
    control: tuple[Control, ...] = ()  # what the model is shown of an edit, in this order

    @property
    def caption(self) -> str:
        """The caption, tags in the order of the file."""
        return self.captions[0]


class Item(NamedTuple):
    """A picture at one resolution: what a step trains on."""

    picture: Picture
    edge: int
    place: Placed
    repeats: float
    views: tuple[View, ...] = ()  # its control images as the model gets them

    @property
    def shape(self) -> tuple[int, ...]:
        """What is the same for all items of a batch: the bucket, and the sizes of control images."""
        return (*self.bucket, *(side for view in self.views for side in view.size))

    @property
    def bucket(self) -> tuple[int, int]:
        """Width and height trained at, pixels."""
        return self.place.width, self.place.height


class Collection(NamedTuple):
    """All images of a job. `left_out` are files that can't be trained on, with the reason; `notes` are sentences."""

    pictures: tuple[Picture, ...]
    left_out: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def read_pictures(job: Job, *, tell: Told | None = None, cache: Path | None = None) -> Collection:
    """Examine every folder of a job; a file is opened again only where it has changed since the last exam.

    Raises:
        SourceError: no image can be trained on.
    """
    store = Cache(cache)
    groups = _Groups()
    try:
        read = [_folder(job, place, store, groups, tell) for place in range(len(job.data))]
    finally:
        store.close()
    pictures = tuple(picture._replace(group=groups.of(picture.digest)) for found, _ in read for picture in found)
    left_out = tuple(each for _, failed in read for each in failed)
    if not pictures:
        named = "; ".join(f"{name} ({why})" for name, why in left_out[:3])
        folders = ", ".join(dict.fromkeys(str(data.folder) for data in job.data))
        raise SourceError(f"no image in {folders} can be trained on: {named}")
    return Collection(pictures, left_out, tuple(_notes(job, pictures, left_out)))


class _Groups:
    """Joins contents that show one picture, in whatever folders they lie; a group is called by its least content."""

    def __init__(self) -> None:
        self._above: dict[bytes, bytes] = {}

    def of(self, digest: bytes) -> bytes:
        while (above := self._above.get(digest, digest)) != digest:
            self._above[digest] = self._above.get(above, above)
            digest = above
        return digest

    def join(self, digests: Sequence[bytes]) -> None:
        for digest in digests[1:]:
            low, high = sorted((self.of(digests[0]), self.of(digest)))
            self._above[high] = low


def _folder(
    job: Job, place: int, store: Cache, groups: _Groups, tell: Told | None
) -> tuple[list[Picture], list[tuple[str, str]]]:
    data = job.data[place]
    readable = [name for name in data.names if suffix(name) in EXAMINED]
    title = data.folder.name
    telling = None if tell is None else lambda done, whole: tell(title, done, whole)
    images = scan(data.folder, readable, store, tell=telling, apart=True)
    failed = [(name, "has a format that lora-doctor does not read") for name in set(data.names) - set(readable)]
    failed += [(image.name, image.error) for image in images if image.error]
    digests = {image.name: image.digest for image in images if not image.error}
    for copies in together(images, store, apart=True).copies:
        groups.join([digests[name] for name in copies.names if name in digests])
    masks = _masks(data)
    if data.masks is not None and not masks.keys() & {os.path.splitext(name)[0] for name in readable}:
        raise SourceError(f"no mask in {data.masks} has the name of an image in {data.folder}: give both the same name")
    control = controls(data, store)
    failed += control.failed
    found = []
    for image in images:
        if image.error or (data.control and image.name not in control.of):
            continue
        text = written(data, image.name)
        found.append(
            Picture(
                data.folder / image.name,
                image.shown,
                image.digest,
                image.digest,
                variants((text or Written("")).text, job.captions, job.training.seed, trigger=not data.regularisation),
                place,
                masks.get(os.path.splitext(image.name)[0]),
                data.regularisation,
                text is not None,
                control.of.get(image.name, ()),
            )
        )
    return found, sorted(failed)


def _masks(data: Data) -> dict[str, Path]:
    """Masks by the stem of their image."""
    listing = list_folder(data.masks, IMAGES, recursive=True) if data.masks is not None else None
    names = listing.images if listing is not None else ()
    return {os.path.splitext(name)[0]: listing.folder / name for name in names if listing is not None}


def _notes(job: Job, pictures: Sequence[Picture], left_out: Sequence[tuple[str, str]]) -> Iterator[str]:
    if left_out:
        files = "; ".join(f"{name} ({why})" for name, why in left_out[:3])
        more = f" and {len(left_out) - 3} more" if len(left_out) > 3 else ""
        yield f"{_images(len(left_out))} left out: {files}{more}"
    bare = [picture.path.name for picture in pictures if not picture.captioned]
    if bare:
        alone = f"`{job.captions.trigger}` alone" if job.captions.trigger else "an empty caption"
        yield f"{_images(len(bare))} without a caption file, trained with {alone}: {listed(bare)}"
    for data in job.data:
        for folder, names in spare(data):
            yield f"{_images(len(names))} in {folder} without a target, not used: {listed(names)}"
    unmasked = [p.path.name for p in pictures if p.mask is None and job.data[p.data].masks is not None]
    if unmasked:
        yield f"{_images(len(unmasked))} without a mask, trained as a whole: {listed(unmasked)}"


def _images(count: int) -> str:
    return f"{count:,} image{'s' * (count != 1)}"


def items_of(job: Job, pictures: Sequence[Picture]) -> list[Item]:
    """Every picture at every resolution of its folder; no picture is without one."""
    shape, seen = shape_of(job.buckets, job.model.family), viewing(job)
    found = []
    for picture in pictures:
        data = job.data[picture.data]
        for edge in data.resolution:
            place = placed(picture.size, edge, shape)
            found.append(Item(picture, edge, place, data.repeats, seen(picture.control, edge, place)))
    return found


def content(path: Path) -> bytes:
    """The file's bytes.

    Raises:
        SourceError: it can't be read any more.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path} can't be read any more: {(error.strerror or str(error)).lower()}") from None


def pixels(data: bytes, place: Placed, name: str = "an image") -> Array:
    """An image in its bucket: `[height, width, 3]`, RGB, 0 to 255.

    Turned by EXIF, on white, scaled (Lanczos) until the bucket is covered, what stands over cut off evenly.

    Raises:
        SourceError: it can't be decoded.
    """
    return np.asarray(_fitted(_upright(data, place, name), place, Image.Resampling.LANCZOS).convert("RGB"))


def weights(data: bytes, image: bytes, place: Placed, name: str = "a mask") -> Array:
    """A mask over its image's bucket: `[height, width]`, 0 (black, not learned) to 1 (white, counts full).

    A mask of another size than its image is stretched to it. One that was drawn on the image as stored, while the
    image is turned by EXIF, is turned with it.

    Raises:
        SourceError: it can't be decoded.
    """
    header, own = read_header(image), read_header(data)
    stored = header.width, header.height
    size = (stored[1], stored[0]) if header.orientation >= 5 else stored
    mask = _upright(data, None, name).convert("L")
    if own.orientation == 1 and header.orientation != 1 and mask.size == stored != size:
        mask = _turned(mask, header.orientation)
    if mask.size != size:
        mask = mask.resize(size, Image.Resampling.BILINEAR)
    return np.asarray(_fitted(mask, place, Image.Resampling.BOX), np.float32) / 255.0


def upright(data: bytes, name: str = "an image") -> Image.Image:
    """An image turned by EXIF, on white, at its own size.

    Raises:
        SourceError: it can't be decoded.
    """
    return _upright(data, None, name)


def _upright(data: bytes, place: Placed | None, name: str) -> Image.Image:
    """Decoded, on white, turned; large JPEGs at a fraction of their size that still leaves twice the bucket's."""
    halved = 0 if place is None or place.scale > 0.25 else min(3, math.floor(math.log2(0.5 / place.scale)))
    try:
        header = read_header(data)
        image, alpha = _decoded(data, header, halved)
    except UndecodableError as error:
        raise SourceError(f"{name} can't be trained on: {error}") from None
    if alpha is not None:
        opaque = alpha.astype(np.uint16)[..., None] if image.ndim == 3 else alpha.astype(np.uint16)
        image = ((image * opaque + 255 * (255 - opaque)) // 255).astype(np.uint8)
    turned = Image.fromarray(image if image.ndim == 2 else np.ascontiguousarray(image[..., ::-1]))
    return _turned(turned, header.orientation)


def _decoded(data: bytes, header: Header, halved: int) -> tuple[Array, Array | None]:
    """By Pillow, as trainers do; what it refuses, as the exam did, by OpenCV."""
    try:
        return by_pillow(data, header, halved)[:2]
    except UndecodableError:
        return decode(data, header, halved)[:2]


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # as Pillow's exif_transpose


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image


def _fitted(image: Image.Image, place: Placed, how: Image.Resampling) -> Image.Image:
    """The middle of the image that has the bucket's ratio, at the bucket's size."""
    scale = max(place.width / image.width, place.height / image.height)
    wide, high = min(image.width, place.width / scale), min(image.height, place.height / scale)
    left, top = (image.width - wide) / 2, (image.height - high) / 2
    return image.resize((place.width, place.height), how, box=(left, top, left + wide, top + high))
