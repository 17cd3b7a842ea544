"""Which images a job trains on: the folders of a plan, or the one of the command line, as they are on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lora_doctor.dialects.native import TRAINER as OWN
from lora_doctor.plan import Dataset, Plan
from lora_doctor.setting import Setting
from lora_doctor.source.document import SourceError
from lora_doctor.train.job import Data


def where(setting: Setting[Any]) -> str:
    """`run.toml line 12`."""
    if setting.place is None:
        return setting.key
    document = setting.place.document
    return f"{Path(document.name).name} line {document.position(setting.place.span.start).line}"


def data_of(plan: Plan, told: Mapping[str, Any], resolution: Any) -> tuple[Data, ...]:
    """The folders of images, of the command line (`data` of `told`) or of the config.

    Raises:
        SourceError: none is named, one is not here or holds no image, or it needs what train can't do.
    """
    from lora_doctor.dataset.listing import list_folder

    edges = _edges(resolution)
    folder = told.get("data")
    if folder is None:
        overruled = edges if told.get("buckets.resolution") else None
        found = tuple(_dataset(plan, number, edges, overruled) for number in range(len(plan.datasets)))
    else:
        listing = list_folder(Path(folder), recursive=True) if folder else None
        if listing is None:
            raise SourceError(f"--data {folder or '(empty)'}: is no folder that can be read")
        control = _told_control(told)
        names = tuple(name for name in listing.images if not _inside(listing.folder / name, control))
        found = (Data(Path(folder).absolute(), names, resolution=edges, control=control),)
    if not found:
        raise SourceError("which images? a `[[data]]` table with `folder`, or --data DIR")
    for each in found:
        if not each.names:
            raise SourceError(f"{each.folder} holds no image: png, jpg, webp and the like are read")
    return found


def _told_control(told: Mapping[str, Any]) -> tuple[Path, ...]:
    folder = told.get("control")
    if folder is not None and not Path(folder).is_dir():
        raise SourceError(f"--control {folder}: is no folder that can be read")
    return () if folder is None else (Path(folder).absolute(),)


def _edges(value: Any) -> tuple[int, ...]:
    edges = value if isinstance(value, list) else [value]
    bad = [edge for edge in edges if not isinstance(edge, int) or isinstance(edge, bool) or edge < 16]
    if bad or not edges:
        raise SourceError(f"resolution = {value!r}: edge lengths in pixels are whole numbers of at least 16")
    return tuple(edges)


def _dataset(plan: Plan, number: int, edges: tuple[int, ...], overruled: tuple[int, ...] | None) -> Data:
    data = plan.datasets[number]
    if data.listing is None:
        raise SourceError(f"{data.folder.value!r} ({where(data.folder)}) is no folder on this machine")
    source = data.caption_source.value or "files"
    if source not in ("files", "prompt", "filename"):
        raise SourceError(
            f"captions of {data.listing.folder} come from {source}, which train does not read: write one text file "
            "beside each image"
        )
    control = _control(data)
    # a folder's own word; what our config only defaults to may be said better by a micro model's card
    resolution = data.resolution.value if plan.trainer != OWN or data.resolution.written else None
    return Data(
        data.listing.folder.absolute(),
        tuple(name for name in data.listing.images if not _inside(data.listing.folder / name, control)),
        captions=source,
        caption_extension=data.caption_extension.value or ".txt",
        prompt=data.prompt.value or data.get("prompt").value,
        repeats=float(1 if data.repeats.value is None else data.repeats.value),
        resolution=overruled or (_edges(resolution) if resolution else edges),
        masks=_folder(data.masks, data.listing.folder),
        control=control,
        regularisation=bool(data.regularisation.value),
    )


def _control(data: Dataset) -> tuple[Path, ...]:
    """The folders of control images, in the order the model is shown them.

    Raises:
        SourceError: not all of them are here: without, the LoRA would learn something else.
    """
    if data.control.value and not data.control_listings:
        raise SourceError(
            f"{data.control.key} = {data.control.value!r} ({where(data.control)}): a folder of control images is not "
            "on this machine, and without it the LoRA learns something else: take the key out to train the images alone"
        )
    return tuple(listing.folder.absolute() for listing in data.control_listings) if data.control.value else ()


def _inside(path: Path, folders: tuple[Path, ...]) -> bool:
    """A control folder below the images' own: what is in it is no image to train on."""
    return any(path.absolute().is_relative_to(folder) for folder in folders)


def _folder(setting: Setting[str], beside: Path) -> Path | None:
    if not setting.value or not setting.written:
        return None
    document = setting.place.document.name if setting.place else "."
    for start in (Path.cwd(), Path(document).absolute().parent, beside):
        path = start / Path(setting.value).expanduser()
        if path.is_dir():
            return path.absolute()
    raise SourceError(f"{setting.key} = {setting.value!r} ({where(setting)}) is no folder on this machine")
