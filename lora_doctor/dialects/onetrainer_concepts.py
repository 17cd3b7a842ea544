"""OneTrainer's concepts (folders of images) and samples (preview prompts), inline or in files of their own.

Source: Nerogar/OneTrainer@23df3832 modules/util/config/ConceptConfig.py, SampleConfig.py,
modules/dataLoader/mixin/DataLoaderText2ImageMixin.py; Nerogar/mgds@3a6994a (CollectPaths, VariationSorting).
"""

from __future__ import annotations

from typing import Any

from lora_doctor.dataset.listing import Listing
from lora_doctor.dialects.onetrainer_config import list_config, usable
from lora_doctor.dialects.reader import Reader
from lora_doctor.plan import Dataset, Validation
from lora_doctor.setting import Config, Setting
from lora_doctor.source.document import Document

IMAGES = frozenset({".bmp", ".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".avif"})
BESIDE = ("-masklabel", "-condlabel")  # masks and conditioning images: never trained on
SOURCES = {"sample": "files", "concept": "prompt", "filename": "filename"}
# width, height, steps and guidance of a preview that does not set them (SampleConfig._get_model_defaults)
SAMPLES = {
    "FLUX_2": (1024, 30, 4.0), "SANA": (1024, 20, 4.5), "STABLE_DIFFUSION_XL_10_BASE": (1024, 30, 7.5),
    "FLUX_DEV_1": (1024, 30, 3.5), "STABLE_DIFFUSION_15": (512, 30, 7.5), "STABLE_DIFFUSION_3": (1024, 28, 7.0),
    "STABLE_DIFFUSION_35": (1024, 28, 7.0),
}  # fmt: skip


def is_concepts(data: Any) -> bool:
    """A list of folders with OneTrainer's sub-tables or its way to count."""
    return _is_list_of(data, "path") and any(
        isinstance(item.get("image"), dict) or isinstance(item.get("text"), dict) or "balancing_strategy" in item
        or "include_subdirectories" in item
        for item in data
    )  # fmt: skip


def is_samples(data: Any) -> bool:
    """A list of prompts with OneTrainer's sampler settings."""
    own = {"diffusion_steps", "cfg_scale", "noise_scheduler", "random_seed"}
    return _is_list_of(data, "prompt") and any(own & item.keys() for item in data)


def _is_list_of(data: Any, key: str) -> bool:
    return isinstance(data, list) and bool(data) and all(isinstance(item, dict) and key in item for item in data)


def follow(config: Config, inline: str, named: str, table: str, reader: Reader) -> tuple[Config | None, str]:
    """Where a list stands: under `inline` in the config itself, else in the file that `named` points to."""
    if isinstance(config.get(inline).value, list):
        return config, inline
    name = config.get(named)
    document = reader.document(name.value, name.place.document if name.place else config.document)
    is_list = document is not None and isinstance(document.data, list)
    return (list_config(document, table) if document is not None and is_list else None), ""


def concepts(
    holder: Config, root: str, config: Config | None, reader: Reader
) -> tuple[tuple[Dataset, ...], tuple[Dataset, ...]]:
    """The folders that are trained on, and those that are switched off or for validation only."""
    names = [key for key in holder.items(root) if key.rpartition(".")[2].isdigit()]
    found = [_concept(holder, name, config, reader) for name in names]
    used = [usable(holder, f"{name}.enabled").value is not False for name in names]
    kept = [usable(holder, f"{name}.type").value != "VALIDATION" for name in names]
    trained = tuple(data for data, on, train in zip(found, used, kept, strict=True) if on and train)
    return trained, tuple(data for data in found if data not in trained)


def _concept(holder: Config, name: str, config: Config | None, reader: Reader) -> Dataset:
    def get(key: str) -> Setting[Any]:
        return usable(holder, f"{name}.{key}")

    folder = get("path")
    deep = get("include_subdirectories").value is True
    listing = _without_masks(reader.listing(folder, holder.document, IMAGES, recursive=deep))
    return Dataset(
        holder,
        name,
        folder=folder,
        masks=usable(config, "masked_training") if config else Setting(),
        repeats=_repeats(holder, name, listing),
        resolution=_resolution(holder, name, config),
        buckets=usable(config, "aspect_ratio_bucketing") if config else Setting(),
        batch_size=usable(config, "batch_size") if config else Setting(),
        caption_source=get("text.prompt_source").map(lambda source: SOURCES.get(str(source))),
        caption_extension=Setting(".txt", "default", "text.prompt_source", folder.place),
        caption_dropout=usable(config, "text_encoder.dropout_probability") if config else Setting(),
        shuffle_tags=get("text.enable_tag_shuffling"),
        keep_tokens=get("text.keep_tags_count"),
        regularisation=get("type").map(lambda kind: kind == "PRIOR_PREDICTION"),
        listing=listing,
        each_resolution=False,
    )


def _without_masks(listing: Listing | None) -> Listing | None:
    """`<image>-masklabel.png` and `-condlabel` are no training images; they stay visible among the other files."""
    if listing is None:
        return None
    beside = tuple(name for name in listing.images if name.rpartition(".")[0].endswith(BESIDE))
    images = tuple(name for name in listing.images if name not in beside)
    return listing._replace(images=images, others=(*listing.others, *beside))


def _repeats(holder: Config, name: str, listing: Listing | None) -> Setting[float]:
    """`balancing` is a factor of the images (REPEATS) or their number per epoch (SAMPLES)."""
    balancing = usable(holder, f"{name}.balancing")
    version = holder.get(f"{name}.__version").value or 0
    old = holder.settings.get(f"{name}.repeats")
    if version == 0 and old is not None:
        balancing = usable(holder, f"{name}.repeats", 1.0)
    if usable(holder, f"{name}.balancing_strategy").value != "SAMPLES":
        return balancing
    count = len(listing.images) if listing is not None else 0
    return balancing.map(lambda samples: float(samples) / count if count else None)


def _resolution(holder: Config, name: str, config: Config | None) -> Setting[list[int]]:
    if usable(holder, f"{name}.image.enable_resolution_override").value is True:
        return usable(holder, f"{name}.image.resolution_override").map(edges)
    return usable(config, "resolution").map(edges) if config else Setting()


def edges(text: Any) -> list[int] | None:
    """`512`, `512,768` (each image at one of them, drawn per epoch) or `832x1216` (one fixed shape)."""
    words = str(text).split("x") if "x" in str(text) and "," not in str(text) else str(text).split(",")
    try:
        numbers = [int(word) for word in words]
    except ValueError:
        return None
    if "x" in str(text):
        return [round((numbers[0] * numbers[1]) ** 0.5)] if len(numbers) == 2 else None
    return numbers


def previews(config: Config, holder: Config | None, root: str) -> Validation:
    """The first prompt that is switched on stands for its sampler settings."""
    unit, after = usable(config, "sample_after_unit").value, usable(config, "sample_after")
    accumulation = usable(config, "gradient_accumulation_steps").value or 1
    found = Validation(
        every_steps=after.map(lambda n: max(1, int(n / accumulation))) if unit == "STEP" else Setting(),
        every_epochs=after.map(int) if unit == "EPOCH" else Setting(),
        held_out=usable(config, "validation").map(lambda on: on or None),
    )
    if holder is None:
        return found
    names = [key for key in holder.items(root) if key.rpartition(".")[2].isdigit()]
    names = [name for name in names if usable(holder, f"{name}.enabled").value is not False]
    if not names:
        return found
    edge, steps, guidance = SAMPLES.get(str(config.get("model_type").value), (None, None, None))

    def first(key: str, default: Any = ...) -> Setting[Any]:
        return usable(holder, f"{names[0]}.{key}", default)

    height = first("height", edge).value
    place = holder.get(f"{names[0]}.prompt")
    return found._replace(
        prompts=place.map(lambda _: [str(holder.get(f"{name}.prompt").value or "") for name in names]),
        guidance=first("cfg_scale", guidance),
        sampler_steps=first("diffusion_steps", steps),
        size=first("width", edge).map(lambda width: [width, height]),
        seed=first("seed"),
        walk_seed=first("random_seed"),
    )


def samples_document(document: Document) -> Config:
    """A samples file alone."""
    return list_config(document, "samples")
