"""musubi-tuner's dataset config: `[general]` and `[[datasets]]`, checked by voluptuous before anything is loaded.

Training reads only the caches that the two caching scripts wrote; the images and captions are read by these.
Source: kohya-ss/musubi-tuner@30c658c dataset/config_utils.py, dataset/image_video_dataset.py, dataset/media_utils.py.
"""

from __future__ import annotations

from typing import Any

from lora_doctor.dataset.listing import Listing
from lora_doctor.dialects.reader import Reader
from lora_doctor.dialects.structured import structured_config
from lora_doctor.plan import Dataset
from lora_doctor.setting import Config, Setting, key_table
from lora_doctor.source.document import Document

# media_utils.py globs them in lower and upper case; .jxl where a plug-in is installed, which the config can't say
IMAGES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".avif", ".jxl"})
SOURCES = ("image_directory", "image_jsonl_file", "video_directory", "video_jsonl_file")
COMMON = ("resolution", "caption_extension", "batch_size", "num_repeats", "enable_bucket", "bucket_no_upscale")


def is_dataset(data: Any) -> bool:
    """`datasets` whose entries name images or videos the way only musubi does."""
    entries = data.get("datasets") if isinstance(data, dict) else None
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        return False
    named = any(source in entry for entry in entries for source in SOURCES)
    return named and not any("subsets" in entry for entry in entries)


def dataset_config(document: Document) -> Config:
    """A TOML or JSON dataset config."""
    return structured_config(document, key_table("musubi", "dataset"))


def datasets(config: Config, reader: Reader) -> tuple[Dataset, ...]:
    """The entries of `[[datasets]]`."""
    entries = [key for key in config.items("datasets") if key.rpartition(".")[2].isdigit()]
    return tuple(_dataset(config, entry, reader) for entry in entries)


def _dataset(config: Config, entry: str, reader: Reader) -> Dataset:
    def get(key: str) -> Setting[Any]:
        """The dataset's own value, else the one in `[general]`, else the default."""
        own, general = f"{entry}.{key}", f"general.{key}"
        return config.sound(general if config.has(general) and not config.has(own) else own)

    video = config.has(f"{entry}.video_directory") or config.has(f"{entry}.video_jsonl_file")
    folder = config.sound(f"{entry}.video_directory" if video else f"{entry}.image_directory")
    table = next((f"{entry}.{key}" for key in SOURCES if key.endswith("_file") and config.has(f"{entry}.{key}")), "")
    control = config.sound(f"{entry}.control_directory")
    beside = reader.listing(control, config.document, IMAGES)
    return Dataset(
        config,
        entry,
        folder=folder,
        control=control,
        repeats=get("num_repeats"),
        resolution=get("resolution").map(_edge),
        buckets=get("enable_bucket"),
        batch_size=get("batch_size").map(_integer),
        caption_source=_source(config.sound(table), "json") if table else _source(folder, "files"),
        caption_extension=get("caption_extension") if not table else Setting(),
        listing=None if video else reader.listing(folder, config.document, IMAGES),
        control_listings=(beside,) if beside is not None else (),
        caches=_caches(config, entry, folder, reader),
    )


def _caches(config: Config, entry: str, folder: Setting[str], reader: Reader) -> Listing | None:
    """What lies in the cache folder: the folder of the images where no other is named."""
    named = config.sound(f"{entry}.cache_directory")
    return reader.listing(named if named.written else folder, config.document, frozenset({".safetensors"}))


def _source(place: Setting[Any], word: str) -> Setting[str]:
    return Setting(word, "default", place.key, place.place)


def _edge(value: Any) -> list[int] | None:
    """One number is a square; of `[width, height]` the area counts, and buckets keep it."""
    if isinstance(value, int) and not isinstance(value, bool):
        return [value]
    if isinstance(value, list) and len(value) == 2 and all(isinstance(side, int) for side in value):
        area = value[0] * value[1]
        return [round(area**0.5)] if 0 < area < 1e12 else None
    return None


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
