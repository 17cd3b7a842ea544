"""SimpleTuner's data backends: a JSON list of datasets, embed caches and conditioning sets.

Each entry falls back to the run's own options (resolution, caption strategy, batch size...). Files are found
recursively; `repeats` counts the extra passes, so 0 shows an image once per epoch. Source:
helpers/data_backend/{factory,local,config/image}.py, helpers/prompts.py, bghira/SimpleTuner@bc8e6ab.
"""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple

from lora_doctor.dataset.listing import IMAGES, VIDEOS, Listing
from lora_doctor.dialects.reader import Reader
from lora_doctor.dialects.simpletuner_settings import KEYS, number, text, whole
from lora_doctor.dialects.structured import structured_config
from lora_doctor.plan import Dataset
from lora_doctor.setting import Config, KeyTable, Setting, key_table
from lora_doctor.source.document import Document

READ = IMAGES - {".heic", ".jxl"}  # what Pillow opens without a plug-in
CAPTIONS = {
    "textfile": "files",
    "instanceprompt": "prompt",
    "filename": "filename",
    "parquet": "column",
    "csv": "column",
    "huggingface": "column",
    "webshart": "json",
}
MAX_CAPTIONS = 5_000  # files read for their lines
MAX_STORED_BYTES = 64 * 1024 * 1024
OWN_CAPTIONS = ("huggingface", "webshart")  # backends that bring their captions: the strategy has their name


class Backends(NamedTuple):
    """A data backend file: its settings, the sets that are trained on, and the set that is only evaluated."""

    config: Config
    datasets: tuple[Dataset, ...]
    unused: tuple[Dataset, ...] = ()
    held_out: Setting[Any] = Setting()


def is_backend(entry: object) -> bool:
    """Whether a JSON value is one entry of a data backend file."""
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
        return False
    known = (*_table(True).keys["*.type"].choices, None)
    named = entry.get("type") in known or "dataset_type" in entry
    return named and bool(entry.keys() & {"type", "dataset_type", "instance_data_dir", "caption_strategy"})


def _table(several: bool) -> KeyTable:
    table = key_table(KEYS, "data backend")
    if several:
        return table
    return table._replace(keys={key.removeprefix("*."): row for key, row in table.keys.items()})


def read_backends(document: Document, reader: Reader, run: Config | None) -> Backends:
    """The data backends of a file; `run` is the config that names it, for what an entry leaves open."""
    several = isinstance(document.data, list)
    config = structured_config(document, _table(several))
    config.lenient = True  # most numbers go through int() or float()
    entries = [name for name in config.items("") if name.isdigit()] if several else [""]
    known = [_Entry(config, entry, run) for entry in entries]
    used = [entry for entry in known if not entry.off]
    conditioning = {entry.id: entry for entry in used if entry.kind == "conditioning"}
    trained = (entry for entry in used if entry.kind in ("image", "video"))
    datasets = tuple(_dataset(entry, conditioning, reader) for entry in trained)
    idle = (entry for entry in known if entry.kind == "eval" or (entry.off and entry.kind in ("image", "video")))
    unused = tuple(_dataset(entry, {}, reader) for entry in idle)
    held_out = next((entry.folder for entry in used if entry.kind == "eval"), Setting())
    return Backends(config, datasets, unused, held_out)


class _Entry:
    """One entry: its own settings, else the run's."""

    def __init__(self, config: Config, prefix: str, run: Config | None) -> None:
        self.config = config
        self.prefix = prefix
        self.run = run

    def get(self, key: str, default: Any = ...) -> Setting[Any]:
        """The entry's own setting, else the default."""
        return self.config.get(f"{self.prefix}.{key}" if self.prefix else key, default)

    def has(self, key: str) -> bool:
        """Whether the entry itself has the key."""
        return self.config.has(f"{self.prefix}.{key}" if self.prefix else key)

    def shared(self, key: str) -> Setting[Any]:
        """The entry's own setting, else the run's option of the same name."""
        if self.has(key) or self.run is None:
            return self.get(key)
        return self.run.get(key)

    @property
    def folder(self) -> Setting[str]:
        return self.get("instance_data_dir").map(text)

    @property
    def off(self) -> bool:
        return bool(self.get("disabled").value or self.get("disable").value)

    @property
    def id(self) -> str:
        return str(self.get("id").value)

    @property
    def kind(self) -> str:
        """A conditioning type makes a conditioning set of it, whatever it says."""
        return "conditioning" if self.get("conditioning_type").value else str(self.get("dataset_type").value)

    @property
    def stored(self) -> str:
        return str(self.get("type").value)

    def listing(self, reader: Reader) -> Listing | None:
        """The folder's names, with its sub-folders."""
        if self.stored != "local":
            return None
        extensions = VIDEOS if self.kind == "video" else READ
        return reader.listing(self.folder, self.config.document, extensions, recursive=True)


def _dataset(entry: _Entry, conditioning: dict[str, _Entry], reader: Reader) -> Dataset:
    masks, controls = _linked(entry, conditioning)
    listing = entry.listing(reader)
    listings = tuple(control.listing(reader) for control in controls)
    only_prompt = entry.shared("only_instance_prompt").value is True
    strategy = _strategy(entry)
    prefixed = entry.shared("prepend_instance_prompt").value is True
    prompt = entry.shared("instance_prompt").map(text)
    return Dataset(
        entry.config,
        entry.prefix,
        folder=entry.folder if entry.stored == "local" else Setting(),
        control=controls[0].folder if controls else Setting(),
        masks=masks[0].folder if masks else Setting(),
        repeats=entry.get("repeats").map(_times) if not _stretched(entry) else Setting(),
        resolution=_resolution(entry),
        buckets=entry.get("crop").map(lambda crop: not (crop and entry.get("crop_aspect").value == "square")),
        batch_size=entry.shared("train_batch_size").map(whole),
        caption_source=strategy.map(lambda _: "prompt") if only_prompt else strategy.map(CAPTIONS.get),
        prompt=prompt if only_prompt or strategy.value == "instanceprompt" else Setting(),
        caption_extension=strategy.map(lambda name: ".txt" if name == "textfile" and not only_prompt else None),
        caption_counts=_caption_counts(listing) if strategy.value == "textfile" and not only_prompt else None,
        caption_dropout=entry.run.get("caption_dropout_probability") if entry.run else Setting(),
        shuffle_tags=entry.get("caption_shuffle.enable", False),
        keep_tokens=entry.get("caption_shuffle.position_start"),
        trigger=prompt if prefixed else Setting(),
        regularisation=entry.get(
            "is_regularization_data" if entry.has("is_regularization_data") else "is_regularisation_data"
        ),
        listing=listing,
        stored=_stored(entry, listing),
        control_listings=tuple(found for found in listings if found) if all(listings) else (),
        mask_listing=masks[0].listing(reader) if masks else None,
    )


def _stretched(entry: _Entry) -> bool:
    """Whether a set that is too small for a step is repeated until it fills one."""
    allowed = entry.run is not None and entry.run.get("allow_dataset_oversubscription").value is True
    return allowed and not entry.get("repeats").value


def _caption_counts(listing: Listing | None) -> dict[str, int | None] | None:
    """Captions per image: every line that is not blank is one."""
    if listing is None or len(listing.images) > MAX_CAPTIONS:
        return None
    counts: dict[str, int | None] = {}
    for image in listing.captioned(".txt"):
        try:
            text = (listing.folder / f"{os.path.splitext(image)[0]}.txt").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        counts[image] = sum(bool(line.strip()) for line in text.split("\n"))
    return counts


def _stored(entry: _Entry, listing: Listing | None) -> dict[str, Any] | None:
    """The settings that an earlier run with this `id` saved in the folder, None where there are none."""
    if listing is None:
        return None
    path = listing.folder / f"aspect_ratio_bucket_indices_{entry.get('cache_file_suffix').value or entry.id}.json"
    try:
        if path.stat().st_size > MAX_STORED_BYTES:
            return None
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    stored = content.get("config") if isinstance(content, dict) else None
    return stored if isinstance(stored, dict) else None


def _linked(entry: _Entry, conditioning: dict[str, _Entry]) -> tuple[list[_Entry], list[_Entry]]:
    """The mask sets and the other conditioning sets that belong to an entry."""
    named = entry.get("conditioning_data").value
    names = [name for name in (named if isinstance(named, list) else [named]) if isinstance(name, str)]
    found = [other for name, other in conditioning.items() if name in names]
    found += [other for other in conditioning.values() if other.get("source_dataset_id").value == entry.id]
    masks = [other for other in found if other.get("conditioning_type").value in ("mask", "segmentation")]
    return masks, [other for other in found if other not in masks]


def _strategy(entry: _Entry) -> Setting[str]:
    """How captions are found; file names, where neither the entry nor the run says."""
    if entry.stored in OWN_CAPTIONS:
        return entry.get("caption_strategy", entry.stored).map(text)
    if not entry.has("caption_strategy") and entry.run is None:
        return entry.get("caption_strategy")  # the run decides, and it is not known
    return entry.shared("caption_strategy").map(text)


def _resolution(entry: _Entry) -> Setting[list[int]]:
    """`area` counts megapixels, the other two types pixels."""
    kind = entry.shared("resolution_type").value
    if kind == "area":
        return entry.shared("resolution").map(lambda value: _edge((number(value) or 0) * 1e6, 0.5))
    if kind in ("pixel", "pixel_area"):
        return entry.shared("resolution").map(lambda value: _edge(number(value) or 0, 1))
    return Setting()


def _edge(value: float, power: float) -> list[int] | None:
    return [round(value**power)] if value > 0 else None


def _times(repeats: Any) -> float | None:
    extra = number(repeats)
    return None if extra is None else int(extra) + 1
