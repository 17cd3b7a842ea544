"""sd-scripts' data: `[[datasets]]` with `[[datasets.subsets]]`, or a folder of `N_concept` folders.

A subset's key is looked for in the subset, its dataset, `[general]`, then among the script's options
(library/config_util.py `BlueprintGenerator`). Images are listed without sub-folders (train_util.py `glob_images`).
Source: kohya-ss/sd-scripts@48d368fa library/config_util.py, library/train_util.py.
"""

from __future__ import annotations

from typing import Any

from lora_doctor.dataset.listing import Listing
from lora_doctor.dialects.reader import Reader
from lora_doctor.dialects.structured import structured_config
from lora_doctor.plan import Dataset
from lora_doctor.setting import Config, Setting, key_table
from lora_doctor.source.document import Document

# train_util.py:104; .avif and .jxl where a plug-in is installed, which the config can't say
IMAGES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".avif", ".jxl"})
# Keys of `[[datasets]]` and `[general]` only (config_util.py `DATASET_ASCENDABLE_SCHEMA`)
OF_DATASET = frozenset({
    "batch_size", "resolution", "enable_bucket", "bucket_no_upscale", "bucket_reso_steps", "min_bucket_reso",
    "max_bucket_reso", "validation_seed", "validation_split", "network_multiplier", "skip_image_resolution",
})  # fmt: skip
# Names that differ between the two (config_util.py `ARGPARSE_OPTNAME_TO_CONFIG_OPTNAME`)
OPTIONS = {"batch_size": "train_batch_size", "num_repeats": "dataset_repeats"}


def is_dataset(data: Any) -> bool:
    """`datasets` with `subsets`: musubi has none, and no other trainer has either."""
    datasets = data.get("datasets") if isinstance(data, dict) else None
    if isinstance(datasets, dict):  # `[[datasets.subsets]]` without a `[[datasets]]` above: refused, but meant
        return isinstance(datasets.get("subsets"), list)
    if not isinstance(datasets, list) or not datasets or not all(isinstance(item, dict) for item in datasets):
        return False
    known = {"resolution", "enable_bucket", "batch_size"}
    return any("subsets" in item for item in datasets) or all(
        known & item.keys() and not any("directory" in key or "jsonl" in key for key in item) for item in datasets
    )


def dataset_config(document: Document) -> Config:
    """A TOML or JSON dataset config."""
    return structured_config(document, key_table("sd_scripts", "dataset"))


def datasets(data: Config, options: Config | None, reader: Reader) -> tuple[Dataset, ...]:
    """Every subset that is trained on; `options` are those of the script, None where this file stands alone."""
    found: list[Dataset] = []
    for home in _elements(data, "datasets"):
        subsets: dict[str, Dataset] = {}
        for entry in _elements(data, f"{home}.subsets"):
            subset = _subset(_Scope(data, home, entry, options), reader)
            if subset.repeats.value != 0:  # train_util.py: such a subset is ignored, and a second one of a folder too
                subsets.setdefault(str(subset.folder.value or entry), subset)
        found += balanced(tuple(subsets.values()))
    return tuple(found)


def _elements(data: Config, key: str) -> list[str]:
    return [name for name in data.items(key) if name.rpartition(".")[2].isdigit()]


class _Scope:
    """Where a subset's keys are looked for."""

    def __init__(self, data: Config, home: str, entry: str, options: Config | None) -> None:
        self.data, self.home, self.entry, self.options = data, home, entry, options

    def get(self, key: str) -> Setting[Any]:
        """The value that counts; of a key of the dataset, the subset is not asked."""
        nearest = self.home if key in OF_DATASET else self.entry
        for place in (nearest, self.home, "general"):
            if self.data.has(f"{place}.{key}"):
                return self.data.get(f"{place}.{key}")
        if self.options is None:
            return self.data.get(f"{nearest}.{key}", None)  # the command line may have it
        own = self.options.get(OPTIONS.get(key, key))
        if own.written:
            return own
        return self.data.get(f"{nearest}.{key}") if own.value is None else self.data.get(f"{nearest}.{key}", own.value)


def _subset(scope: _Scope, reader: Reader) -> Dataset:
    data, entry = scope.data, scope.entry
    folder = data.get(f"{entry}.image_dir")
    described = data.get(f"{entry}.metadata_file")
    listing = None if described.written else reader.listing(folder, data.document, IMAGES)
    masks = data.get(f"{entry}.conditioning_data_dir")
    extension = scope.get("caption_extension").map(dotted)
    words = scope.get("class_tokens")
    separator = scope.get("keep_tokens_separator")
    return Dataset(
        data,
        entry,
        folder=folder if folder.written or not described.written else described,
        masks=masks,
        repeats=_repeats(scope.get("num_repeats"), data.get(f"{entry}.num_repeats")),
        resolution=scope.get("resolution").map(edges),
        buckets=scope.get("enable_bucket"),
        batch_size=scope.get("batch_size"),
        caption_source=described.map(lambda _: "json")
        if described.written
        else source(listing, extension, words, "prompt"),
        prompt=words,
        caption_extension=extension if not described.written else Setting(),
        caption_dropout=scope.get("caption_dropout_rate"),
        shuffle_tags=scope.get("shuffle_caption"),
        keep_tokens=scope.get("keep_tokens") if not separator.value else Setting(),
        regularisation=data.get(f"{entry}.is_reg"),
        listing=listing,
        mask_listing=reader.listing(masks, data.document, IMAGES) if masks.written else None,
        lookup=scope.get,
    )


def _repeats(found: Setting[Any], default: Setting[Any]) -> Setting[Any]:
    """Once, unless it is written; hardly anybody gives `dataset_repeats` on the command line."""
    return found if found.value is not None else default


def folders(options: Config, key: str, reader: Reader, *, regularisation: bool = False) -> tuple[Dataset, ...]:
    """The `N_concept` sub-folders of `train_data_dir` or `reg_data_dir`; a single entry where there are none."""
    root = options.get(key)
    if not isinstance(root.value, str) or not root.value:
        return ()
    beside = root.place.document if root.place else options.document
    parent = reader.listing(root, beside, IMAGES)
    reg = Setting(regularisation, "default", key, root.place)
    if parent is None:
        return (_folder(options, root, "", None, None, reader)._replace(regularisation=reg),)
    names = [(name, concept) for name in parent.folders if (concept := repeats_and_concept(name)) is not None]
    if not names:
        return (Dataset(options, "", folder=root, parent=parent, regularisation=reg),)
    return tuple(
        _folder(options, root, name, concept, parent, reader)._replace(regularisation=reg) for name, concept in names
    )


def repeats_and_concept(name: str) -> tuple[int, str] | None:
    """`10_zwx woman` is shown ten times an epoch; a folder without a number, or with 0, is passed over."""
    number, _, concept = name.partition("_")
    try:
        repeats = int(number)
    except ValueError:
        return None
    return (repeats, concept) if repeats >= 1 else None


def _folder(
    options: Config,
    root: Setting[Any],
    name: str,
    concept: tuple[int, str] | None,
    parent: Listing | None,
    reader: Reader,
) -> Dataset:
    """One folder of images; without a name, `train_data_dir` as a whole, which is not on this machine."""
    folder = root._replace(value=f"{str(root.value).rstrip('/')}/{name}", rewrite=None, erase=None) if name else root
    listing = reader.listing(folder, root.place.document if root.place else options.document, IMAGES) if name else None
    extension = options.get("caption_extension").map(dotted)
    words = Setting(concept[1] if concept else None, "default", root.key, root.place)
    separator = options.get("keep_tokens_separator")
    return Dataset(
        options,
        "",
        folder=folder,
        repeats=Setting(concept[0], "written", root.key, root.place) if concept else Setting(),
        resolution=options.get("resolution").map(edges),
        buckets=options.get("enable_bucket"),
        batch_size=options.get("train_batch_size"),
        caption_source=source(listing, extension, words),
        caption_extension=extension,
        caption_dropout=options.get("caption_dropout_rate"),
        shuffle_tags=options.get("shuffle_caption"),
        keep_tokens=options.get("keep_tokens") if not separator.value else Setting(),
        parent=parent,
        listing=listing,
        lookup=options.get,
    )


def balanced(found: tuple[Dataset, ...]) -> tuple[Dataset, ...]:
    """Regularisation images are repeated or left out until they are as many as the others (train_util.py:2160-2185)."""
    reg = [data for data in found if data.regularisation.value]
    if not reg or any(data.listing is None or data.repeats.value is None for data in found):
        return found
    wanted = sum(len(data.listing.images) * float(data.repeats.value or 0) for data in found
                 if data.listing is not None and not data.regularisation.value)  # fmt: skip
    count = sum(len(data.listing.images) for data in reg if data.listing is not None)
    if not count:
        return found
    share = wanted / count
    return tuple(
        data._replace(repeats=data.repeats._replace(value=share, rewrite=None)) if data.regularisation.value else data
        for data in found
    )


def source(
    listing: Listing | None, extension: Setting[str], words: Setting[Any], otherwise: str = "folder"
) -> Setting[str]:
    """Caption files, and where there are none at all, the folder's name or `class_tokens` for every image."""
    value = "files"
    if listing is not None and listing.images and not listing.texts and extension.value:
        value = otherwise if words.value else "none"
    place = words.place if value == otherwise and words.place is not None else extension.place
    return Setting(value, "default", words.key if value == otherwise else extension.key, place)


def dotted(value: Any) -> str | None:
    """`txt` is `.txt` (train_util.py `DreamBoothSubset`)."""
    if not isinstance(value, str) or not value:
        return None
    return value if value.startswith(".") else f".{value}"


def edges(value: Any) -> list[int] | None:
    """A side, `[width, height]` or `"width,height"`; of two sides the area counts, and buckets keep it."""
    if isinstance(value, str):
        try:
            value = [int(part) for part in value.split(",")]
        except ValueError:
            return None
    if isinstance(value, int) and not isinstance(value, bool):
        return [value]
    if isinstance(value, list) and 1 <= len(value) <= 2 and all(isinstance(side, int) for side in value):
        area = value[0] * value[-1]
        return [round(area**0.5)] if 0 < area < 1e12 else None
    return None
