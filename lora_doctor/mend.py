"""A corrected copy of a data set: what can be mended for certain is, the rest is copied as it is.

The source is only read. The copy is made beside its place and gets its name when it is whole.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from lora_doctor.captions.mend import mended_text
from lora_doctor.dataset.facts import SUFFIXES, ImageFacts, suffix
from lora_doctor.dataset.imageset import ImageSet
from lora_doctor.dataset.listing import Listing
from lora_doctor.source.document import SourceError

TABLES = ("captions.json", "metadata.jsonl", "metadata.csv")  # name images: nothing is renamed beside them
PREFERRED = {"jpeg": ".jpg", "tiff": ".tif"}  # where a format's name is not its suffix


class Step(NamedTuple):
    """What becomes of one file. `target` is None where it is left out; `done` is empty where it is copied as it is."""

    source: str
    target: str | None
    done: tuple[str, ...] = ()
    content: Callable[[], bytes] | None = None


def steps(images: ImageSet, *, extension: str | None = None) -> list[Step]:
    """What is to be done to every file of the folder, in the order of their names."""
    listing = images.data.listing
    assert listing is not None, "only folders that were listed are mended"
    facts = {image.name: image for image in images.images}
    spare = _spare(images, listing)
    taken: dict[str, str] = {}
    found: list[Step] = []
    for name in _names(listing):
        if name in facts:
            step = _image(listing.folder, facts[name], spare.get(name), _free(listing, name))
        elif name in listing.texts:
            step = _text(listing, name, spare, extension)
        else:
            step = Step(name, name)
        if step.target is not None and step.target in taken:
            step = step._replace(target=step.source, done=tuple(each for each in step.done if "renamed" not in each))
        if step.target is not None:
            taken[step.target] = name
        found.append(step)
    return found


def _names(listing: Listing) -> list[str]:
    return sorted({*listing.images, *listing.unread_images, *listing.texts, *listing.others})


def _free(listing: Listing, name: str) -> bool:
    """Whether a file may be renamed or left out: no table in its folder names it, and no mask depends on it."""
    beside = os.path.dirname(name)
    tables = {os.path.join(beside, table) if beside else table for table in TABLES}
    return not tables & set(listing.others)


def _spare(images: ImageSet, listing: Listing) -> dict[str, str]:
    """Exact copies beside the one that is kept, in folders of captioned images: masks may well be equal."""
    extension = images.data.caption_extension.value or ".txt"
    texts = set(listing.texts)

    def captioned(name: str) -> bool:
        return os.path.splitext(name)[0] + extension in texts

    trained = {os.path.dirname(name) for name in listing.images if captioned(name)} | {""}
    spare: dict[str, str] = {}
    for group in _equal(images):
        for folder in {os.path.dirname(name) for name in group} & trained:
            own = [name for name in group if os.path.dirname(name) == folder and _free(listing, name)]
            own.sort(key=lambda name: (not captioned(name), name))
            spare |= dict.fromkeys(own[1:], own[0] if own else "")
    return spare


def _equal(images: ImageSet) -> list[tuple[str, ...]]:
    """Images with the same bytes, and with the same pixels; a group of near copies may hold such a pair."""
    files: dict[bytes, list[str]] = {}
    for image in images.images:
        if image.digest and not image.error:
            files.setdefault(image.digest, []).append(image.name)
    same = [tuple(group) for group in files.values() if len(group) > 1]
    return [*(group.names for group in images.copies if group.how == "pixels"), *same]


def _image(folder: Path, image: ImageFacts, copy_of: str | None, free: bool) -> Step:
    name = image.name
    if copy_of is not None:
        return Step(name, None, (f"left out: the same picture as {copy_of}",))
    if image.error:
        return Step(name, None if free else name, (f"left out: {image.error}",) if free else ())
    stem, target = os.path.splitext(name)[0], name
    done: list[str] = []
    if image.format in SUFFIXES and suffix(name) not in SUFFIXES[image.format] and free:
        target = stem + PREFERRED.get(image.format, f".{image.format}")
        done.append(f"renamed to {os.path.basename(target)}: it is {image.format.upper()}")
    if image.orientation == 1 and not image.profile:
        return Step(name, target, tuple(done))
    if image.orientation != 1:
        done.append("turned upright")
    if image.profile:
        done.append(f"colours converted from {image.profile} to sRGB")
    lossless = image.format == "jpeg" and free
    if lossless:
        target = stem + ".png"
        done.append(f"saved as {os.path.basename(target)}, without loss")
    kind = "png" if lossless else image.format
    return Step(name, target, tuple(done), lambda: redrawn(folder / name, kind))


def redrawn(path: Path, kind: str) -> bytes:
    """The image upright and in sRGB."""
    from PIL import Image, ImageCms, ImageOps

    with Image.open(path) as image:
        image.load()
        profile = image.info.get("icc_profile")
        upright = ImageOps.exif_transpose(image)
        if profile and upright.mode not in ("L", "LA"):  # grey has no colours to convert
            alpha = upright.getchannel("A") if "A" in upright.getbands() else None
            plain = upright if upright.mode == "CMYK" else upright.convert("RGB")
            own, standard = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(plain, own, standard, outputMode="RGB")
            assert converted is not None, "only None where it converts in place"
            upright = converted
            if alpha is not None:
                upright.putalpha(alpha)
        for key in ("icc_profile", "exif", "xmp"):
            upright.info.pop(key, None)
        stream = io.BytesIO()
        options: dict[str, dict[str, Any]] = {"jpeg": {"quality": 98, "subsampling": 0}, "webp": {"lossless": True}}
        upright.save(stream, kind.upper(), **options.get(kind, {}))
    return stream.getvalue()


def _text(listing: Listing, name: str, spare: dict[str, str], extension: str | None) -> Step:
    stem, own = os.path.splitext(name)
    images = [image for image in listing.images if os.path.splitext(image)[0] == stem]
    if images and all(image in spare for image in images):
        return Step(name, None, (f"left out with {images[0]}",))
    target, done = name, []
    if extension and own != extension and images:
        target = stem + extension
        done.append(f"renamed to {os.path.basename(target)}")
    try:
        raw = (listing.folder / name).read_bytes()
    except OSError as error:
        raise SourceError(f"{name} can't be read: {error.strerror or error}") from None
    content, mended = mended_text(raw)
    return Step(name, target, (*mended, *done), (lambda: content) if mended else None)


def check_target(folder: Path, target: Path) -> None:
    """Refuse a target that would touch the source or anything else that is there.

    Raises:
        SourceError: with the reason.
    """
    source, there = folder.resolve(), target.resolve()
    if there == source or source in there.parents or there in source.parents:
        raise SourceError(f"{target} and {folder} lie in one another: the copy needs a place of its own")
    if os.path.lexists(target) and not (target.is_dir() and not any(target.iterdir())):
        raise SourceError(f"{target} is there already: name a folder that is not")


def write_copy(folder: Path, target: Path, planned: Iterable[Step]) -> None:
    """Write the copy.

    Raises:
        SourceError: the source or the target does not allow it.
    """
    check_target(folder, target)
    parent = target.resolve().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=parent))
    except OSError as error:
        raise SourceError(f"{target} can't be written: {error.strerror or error}") from None
    try:
        for step in planned:
            if step.target is not None:
                _write(folder / step.source, beside / step.target, step)
        os.chmod(beside, 0o777 & ~_umask())
        if target.is_dir():
            target.rmdir()  # empty, or this fails
        os.rename(beside, target)
    except OSError as error:
        raise SourceError(f"{target} can't be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)  # ours, and gone where the copy is whole


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _write(source: Path, target: Path, step: Step) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if step.content is None:
        shutil.copy2(source, target)
        return
    try:
        content = step.content()
    except Exception as error:  # Pillow raises whatever it pleases
        raise SourceError(f"{step.source} can't be mended: {type(error).__name__}: {error}") from None
    target.write_bytes(content)


