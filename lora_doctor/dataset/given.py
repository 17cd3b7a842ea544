"""A folder and what the command line says about it, as a plan without a config."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from lora_doctor.dataset.listing import IMAGES, list_folder
from lora_doctor.finding import Place
from lora_doctor.models.families import FAMILIES
from lora_doctor.models.identify import ModelIdentity, identify
from lora_doctor.plan import UNKNOWN, Component, Dataset, Plan
from lora_doctor.setting import Config, KeyTable, Setting
from lora_doctor.source.document import Document, SourceError, Span

T = TypeVar("T")
RESOLUTION = 1024


class Given(NamedTuple):
    """What a user says; what is not said is unknown."""

    trainer: str = ""
    resolution: int | None = None
    batch: int | None = None
    accumulation: int | None = None
    purpose: str | None = None
    trigger: str | None = None
    masks: str | None = None
    control: str | None = None
    model: str | None = None


def folder_document(folder: Path) -> Document:
    """The place of findings about a folder that no config names."""
    return Document(str(folder), b"", "folder")


def given_plan(folder: Path, given: Given) -> Plan:
    """A plan with one data set.

    Raises:
        SourceError: a folder is not there, or can't be listed.
    """
    listing = list_folder(folder, IMAGES, recursive=True)
    if listing is None:
        raise SourceError(f"{folder} is no folder that can be listed")
    document = folder_document(folder)
    config = Config(document, KeyTable(given.trainer, "", "", "folder", {}))
    place = Place(document, Span(0, 0))

    def told(key: str, value: T | None, default: T | None = None) -> Setting[T]:
        if value is not None:
            return Setting(value, "written", key, place)
        return Setting(default, "default" if default is not None else "unknown", key, place)

    inside = {os.path.realpath(each) for each in (given.masks, given.control) if each}
    names = tuple(name for name in listing.images if not inside & _above(listing.folder, name))
    beside = [
        (list_folder(Path(each), IMAGES, recursive=True) if each else None) for each in (given.masks, given.control)
    ]
    for each, found in zip((given.masks, given.control), beside):
        if each and found is None:
            raise SourceError(f"{each} is no folder that can be listed")
    data = Dataset(
        config,
        "",
        folder=told("folder", str(folder)),
        masks=told("masks", given.masks),
        control=told("control", given.control),
        repeats=told("repeats", None, 1.0),
        resolution=told("resolution", None if given.resolution is None else [given.resolution], [RESOLUTION]),
        buckets=told("buckets", None, True),
        batch_size=told("batch", given.batch),
        caption_source=told("captions", None, "files"),
        caption_extension=told("captions", None, _extension(listing.texts)),
        trigger=told("trigger", given.trigger),
        listing=listing._replace(images=names),
        mask_listing=beside[0],
        control_listings=(beside[1],) if beside[1] is not None else (),
    )
    return Plan(
        given.trainer,
        "dataset",
        config,
        model=Component(told("model", given.model), found=_identified(given.model)),
        batch_size=told("batch", given.batch),
        accumulation=told("accumulation", given.accumulation),
        purpose=told("purpose", given.purpose),
        trigger=told("trigger", given.trigger),
        datasets=(data,),
    )


def _above(folder: Path, name: str) -> set[str]:
    """The folders between `folder` and a file in it."""
    parts = name.split("/")[:-1]
    return {os.path.realpath(folder.joinpath(*parts[: i + 1])) for i in range(len(parts))}


def _identified(model: str | None) -> ModelIdentity:
    """What a path, a repository's id or a family's name (`sana`, `sdxl`) stands for."""
    if model is None:
        return UNKNOWN
    found = ModelIdentity(family=model) if model in FAMILIES else identify(model)
    if found.family is None:
        raise SourceError(f"`{model}` is no model lora-doctor knows: name its file, its repository, or a family "
                          f"({', '.join(FAMILIES)})")  # fmt: skip
    return found


def _extension(texts: tuple[str, ...]) -> str:
    """The suffix most text files here have."""
    counts: dict[str, int] = {}
    for name in texts:
        suffix = "." + name.rpartition(".")[2]
        counts[suffix] = counts.get(suffix, 0) + 1
    return max(counts, key=lambda suffix: counts[suffix], default=".txt")


def options_of(words: dict[str, Any]) -> Given:
    """`trainer=diffusion-pipe`, `resolution=512`... as they stand in an example's fence."""
    numbers = {key: int(value) for key, value in words.items() if key in ("resolution", "batch", "accumulation")}
    return Given(**words | numbers)
