"""ai-toolkit's `datasets`: one entry a folder, read with all its sub-folders.

Source: ostris/ai-toolkit@27a03a91 toolkit/config_modules.py (DatasetConfig), toolkit/data_loader.py,
toolkit/dataloader_mixins.py.
"""

from __future__ import annotations

from typing import Any

from lora_doctor.dataset.listing import VIDEOS, Listing
from lora_doctor.dialects.ai_toolkit_values import sound
from lora_doctor.dialects.reader import Reader
from lora_doctor.plan import Dataset
from lora_doctor.setting import Config, Setting

IMAGES = frozenset({".jpg", ".jpeg", ".png", ".webp"})


def datasets(config: Config, reader: Reader) -> tuple[Dataset, ...]:
    """Every entry of `datasets`, in order."""
    return tuple(_dataset(config, entry, reader) for entry in config.items("datasets") if _is_entry(config, entry))


def _is_entry(config: Config, entry: str) -> bool:
    return entry.rpartition(".")[2].isdigit() and isinstance(config.get(entry).value, dict)


def _dataset(config: Config, entry: str, reader: Reader) -> Dataset:
    def get(key: str, default: Any = ...) -> Setting[Any]:
        return sound(config, f"{entry}.{key}", default)

    as_json = get("dataset_path").map(lambda path: True if str(path).endswith(".json") else None).value
    folder = get("dataset_path") if get("dataset_path").value else get("folder_path")
    video = get("num_frames").value != 1 or bool(get("auto_frame_count").value)
    extensions = IMAGES | VIDEOS if video else IMAGES
    listing = None if as_json else reader.listing(folder, config.document, extensions, recursive=True)
    extension = caption_extension(config, entry)
    trigger = get("trigger_word") if get("trigger_word").value else sound(config, "trigger_word")
    # `keep_tokens` holds tokens against dropout only, never against shuffling: it is not the plan's `keep_tokens`
    batch = get("batch_size") if get("batch_size").value else sound(config, "train.batch_size")
    source = _source(config, entry, listing, extension, as_json is True, bool(trigger.value))
    controls = [reader.listing(control, config.document, IMAGES) for control in control_folders(config, entry)]
    return Dataset(
        config,
        entry,
        folder=Setting() if as_json else folder,
        control=next(iter(control_folders(config, entry)), get("control_path")),
        masks=get("mask_path"),
        repeats=_repeats(config, entry),
        resolution=get("resolution").map(_edges),
        buckets=get("buckets"),
        batch_size=batch,
        caption_source=source,
        prompt=_prompt(source, get("default_caption"), trigger),
        caption_extension=extension,
        caption_dropout=get("caption_dropout_rate"),
        shuffle_tags=get("shuffle_tokens"),
        trigger=trigger.map(lambda word: word or None),
        regularisation=get("is_reg"),
        listing=listing,
        control_listings=() if None in controls else tuple(found for found in controls if found is not None),
        mask_listing=reader.listing(get("mask_path"), config.document, IMAGES),
    )


def caption_extension(config: Config, entry: str) -> Setting[str]:
    """`caption_ext` gets its dot; the older `caption_type` overrules it and gets none."""
    older = sound(config, f"{entry}.caption_type")
    if older.value:
        return older
    return sound(config, f"{entry}.caption_ext").map(_dotted)


def _dotted(extension: Any) -> str | None:
    if not isinstance(extension, str):
        return None
    return extension if not extension or extension.startswith(".") else f".{extension}"


def control_folders(config: Config, entry: str) -> list[Setting[str]]:
    """The control folders: `control_path_1` to `_3` where any is set, else what `control_path` holds."""
    numbered = [sound(config, f"{entry}.control_path_{i}") for i in (1, 2, 3)]
    chosen = [setting for setting in numbered if setting.value]
    if chosen:
        return chosen
    single = sound(config, f"{entry}.control_path")
    if isinstance(single.value, list):
        return [single._replace(value=path) for path in single.value if isinstance(path, str) and path]
    return [single] if isinstance(single.value, str) and single.value else []


def _repeats(config: Config, entry: str) -> Setting[float]:
    """Times per epoch: `num_repeats` (below 2 it does nothing), and once more for every flip."""
    flips = 2 ** sum(sound(config, f"{entry}.{flip}").value is True for flip in ("flip_x", "flip_y"))
    repeats = sound(config, f"{entry}.num_repeats")
    return repeats.map(lambda n: max(1, n) * flips if isinstance(n, (int, float)) else None)


def _edges(value: Any) -> list[int] | None:
    """A list is not width and height: the folder is trained once at every entry."""
    edges = value if isinstance(value, list) else [value]
    return edges if edges and all(isinstance(edge, int) and not isinstance(edge, bool) for edge in edges) else None


def _prompt(source: Setting[str], default: Setting[str], trigger: Setting[str]) -> Setting[str]:
    """The one caption of all images: the default caption, or the trigger word of an unloaded text encoder."""
    if source.value != "prompt":
        return Setting()
    return default if source.key == default.key else trigger


def _source(
    config: Config, entry: str, listing: Listing | None, extension: Setting[str], as_json: bool, trigger: bool
) -> Setting[str]:
    """Where the text comes from; with the text encoder unloaded and nothing cached, from the trigger word alone."""
    unload, place = sound(config, "train.unload_text_encoder"), sound(config, f"{entry}.caption_ext").place
    cached = sound(config, "train.cache_text_embeddings").value or sound(config, f"{entry}.cache_text_embeddings").value
    if unload.value is True and not cached:
        return unload._replace(value="prompt" if trigger else "none")
    default = sound(config, f"{entry}.default_caption")
    if as_json:
        return Setting("json", "default", f"{entry}.dataset_path", place)
    if default.value and listing is not None and extension.value and not listing.captioned(extension.value):
        return default._replace(value="prompt")
    return Setting("files", "default", f"{entry}.caption_ext", place)
