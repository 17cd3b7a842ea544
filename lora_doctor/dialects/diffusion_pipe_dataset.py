"""diffusion-pipe's dataset TOML: `[[directory]]` tables, each completed by the keys above them.

Source: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lora_doctor.dataset.listing import Listing, list_folder
from lora_doctor.dialects.reader import Reader
from lora_doctor.plan import Dataset
from lora_doctor.setting import Config, Setting

# Every file that is not text, JSON or a cache counts as an image; these are what Pillow opens without a plug-in.
OPENED = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif"})
CAPTIONS = "captions.json"
MAX_JSON = 64 * 1024 * 1024  # bytes; read in whole
MAX_EDGE = 100_000  # pixels; what is larger is no image
Get = Callable[[str], Setting[Any]]


def read_datasets(config: Config, batch: Setting[Any], dropout: Setting[float], reader: Reader) -> tuple[Dataset, ...]:
    """The folders of one dataset config; `batch` is the main config's micro batch, an int or `[[edge, batch], ...]`."""
    entries = [key for key in config.items("directory") if key.rpartition(".")[2].isdigit()]
    return tuple(_dataset(config, entry, batch, dropout, reader) for entry in entries)


def _dataset(config: Config, entry: str, batch: Setting[Any], dropout: Setting[float], reader: Reader) -> Dataset:
    def get(key: str) -> Setting[Any]:
        """The directory's own value, else the file's."""
        return config.get(f"{entry}.{key}") if config.has(f"{entry}.{key}") else config.get(key)

    folder = config.get(f"{entry}.path")
    listing = reader.listing(folder, config.document, OPENED)  # glob('*'): not recursive
    counts = _caption_counts(listing)
    resolution = _resolution(get)
    control = config.get(f"{entry}.control_path")
    beside = reader.listing(control, config.document, OPENED) if control.written else None
    masks = config.get(f"{entry}.mask_path")
    return Dataset(
        config,
        entry,
        folder=folder,
        control=control,
        masks=masks,
        repeats=get("num_repeats").map(lambda value: _repeats(value, get, counts)),
        resolution=resolution,
        buckets=get("size_buckets").map(bool) if get("size_buckets").written else get("enable_ar_bucket"),
        batch_size=batch.map(lambda value: batch_for(value, resolution.value)),
        caption_source=Setting("json" if counts is not None else "files", "default", "caption", folder.place),
        caption_extension=Setting(".txt", "default", "caption", folder.place),
        caption_counts=counts,
        caption_dropout=dropout,
        shuffle_tags=_shuffle(get),
        listing=listing,
        control_listings=(beside,) if beside is not None else (),
        mask_listing=reader.listing(masks, config.document, OPENED) if masks.written else None,
        caches=list_folder(listing.folder / "cache", recursive=True) if listing is not None else None,
    )


def _shuffle(get: Get) -> Setting[bool]:
    number = get("cache_shuffle_num")
    return number.map(bool) if number.value else get("shuffle_tags")


def _repeats(value: Any, get: Get, counts: Mapping[str, int | None] | None) -> float | None:
    """Times an image is shown per epoch: repeats x cached shuffles x captions per image x the share sampled.

    Each caption of an image, and each cached order of its tags, is an item of its own (dataset.py:202-240);
    `subsample_ratio` keeps that share of the batches (dataset.py:1021).
    """
    factors = [value, get("cache_shuffle_num").value or 1, get("subsample_ratio").value or 1]
    if not all(isinstance(factor, (int, float)) and not isinstance(factor, bool) for factor in factors):
        return None
    captions = [count for count in (counts or {}).values() if count]
    factors.append(sum(captions) / len(captions) if captions else 1)
    product = 1.0
    for factor in factors:
        product *= factor
    return product


def batch_for(value: Any, edges: list[int] | None) -> int | None:
    """Micro batch size: an int, or of `[[edge, batch], ...]` the one whose edge is nearest (dataset.py:362-372)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, list) or not value:
        return None
    pairs = [pair for pair in value if isinstance(pair, list) and len(pair) == 2]
    if len(pairs) != len(value) or not all(isinstance(n, int) for pair in pairs for n in pair):
        return None
    if not edges:
        return int(pairs[0][1])
    nearest = {min(pairs, key=lambda pair: abs(pair[0] - edge))[1] for edge in edges}
    return int(nearest.pop()) if len(nearest) == 1 else None


def _resolution(get: Get) -> Setting[list[int]]:
    """Edge lengths. With `size_buckets` an image goes into one bucket only, so there is one edge or none known."""
    if not get("size_buckets").written:
        return get("resolutions").map(_edges)
    return get("size_buckets").map(_bucket_edge)


def _edges(value: Any) -> list[int] | None:
    """Edge lengths: a number, or the square root of `[width, height]`'s area; the loader drops equal ones."""
    if not isinstance(value, list):
        return None
    edges = []
    for item in value:
        sides = item if isinstance(item, list) else [item, item]
        if len(sides) == 2 and all(isinstance(side, (int, float)) and 0 < side < MAX_EDGE for side in sides):
            edges.append(round((sides[0] * sides[1]) ** 0.5))
    return list(dict.fromkeys(edges)) or None


def _bucket_edge(value: Any) -> list[int] | None:
    edges = _edges([item[:2] for item in value if isinstance(item, list)]) if isinstance(value, list) else None
    if not edges or max(edges) > 1.25 * min(edges):  # buckets of one area differ by rounding
        return None
    return [round(sum(edges) / len(edges))]


def _caption_counts(listing: Listing | None) -> Mapping[str, int | None] | None:
    """Captions per file name in `captions.json`; None where they are not a list, which the loader refuses."""
    if listing is None or CAPTIONS not in listing.others:
        return None
    data = _load(listing.folder / CAPTIONS)
    if not isinstance(data, dict):
        return {}
    return {str(name): len(captions) if isinstance(captions, list) else None for name, captions in data.items()}


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes()) if path.stat().st_size <= MAX_JSON else None
    except (OSError, ValueError):
        return None
