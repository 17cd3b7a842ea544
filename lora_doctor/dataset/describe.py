"""An examined set in words, and as data for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from lora_doctor.dataset.facts import ImageFacts
from lora_doctor.dataset.imageset import NAMED, Fate, ImageSet, listed
from lora_doctor.derived import exposures_per_image

SHOWN = 6  # buckets listed


def as_lines(images: ImageSet) -> Iterator[str]:
    """A few lines for people."""
    formats = Counter(image.format or "unreadable" for image in images.images)
    told = ", ".join(f"{count:,} {name}" for name, count in formats.most_common())
    sizes = sorted((image.width * image.height, image.width, image.height) for image in images.images if image.width)
    span = ""
    if sizes:
        span = f"; {sizes[0][1]}x{sizes[0][2]}" + (
            f" to {sizes[-1][1]}x{sizes[-1][2]}" if sizes[-1] != sizes[0] else ""
        )
    yield f"{images.data.folder.value}: {told}{span}"
    passed = [image for image in images.images if image.error and not image.broken]
    if passed:
        reasons = "; ".join(dict.fromkeys(image.error for image in passed[:NAMED]))
        yield f"  {len(passed):,} not looked into ({reasons}): {listed([image.name for image in passed])}"
    for fate in images.fates:
        yield f"  at {fate.edge} px: {_buckets(fate)}"
    seen = exposures_per_image(images.plan)
    if seen is not None:
        yield f"  each image is shown {seen:,.0f} times"
    if images.variety is not None:
        variety = images.variety
        yield (
            f"  as varied as {variety.composition:.0f} compositions, {variety.palette:.0f} palettes and "
            f"{variety.light:.0f} kinds of light without likeness, of {variety.images:,} images"
        )


def _buckets(fate: Fate) -> str:
    listed = sorted(fate.buckets.items(), key=lambda item: (-item[1], item[0]))
    told = ", ".join(f"{width}x{height} ({count:,})" for (width, height), count in listed[:SHOWN])
    more = f" and {len(listed) - SHOWN} more buckets" if len(listed) > SHOWN else ""
    lost = max((place.lost for place in fate.placed.values()), default=0.0)
    return f"{told}{more}; up to {lost:.0%} cut off"


def as_data(images: ImageSet) -> dict[str, Any]:
    """Everything that was measured; units as in ImageFacts."""
    return {
        "folder": images.data.folder.value,
        "trainer": images.plan.trainer or None,
        "resolution": images.edge,
        "images": [_image(image, images.edge) for image in images.images],
        "copies": [{"files": list(each.names), "how": each.how} for each in images.copies],
        "atypical": [each._asdict() for each in images.atypical],
        "overlay": images.overlay._asdict() if images.overlay else None,
        "variety": images.variety._asdict() if images.variety else None,
        "exposures_per_image": exposures_per_image(images.plan),
        "buckets": [_fate(fate) for fate in images.fates],
        "masks": images.masks._asdict() if images.masks else None,
        "pairs": _pairs(images),
    }


def _image(image: ImageFacts, edge: int | None) -> dict[str, Any]:
    data: dict[str, Any] = image._asdict()
    for name in ("hash", "thumb", "pixels"):
        del data[name]
    data["file"] = data.pop("name")
    data["digest"] = image.digest.hex()
    data["error"] = image.error or None
    data["blur_at_resolution"] = image.blur_at(edge) if edge else None
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in data.items()}


def _fate(fate: Fate) -> dict[str, Any]:
    return {
        "resolution": fate.edge,
        "batch": fate.batch,
        "never_seen": fate.unseen,
        "repeated_to_fill": fate.extra,
        "buckets": [{"width": w, "height": h, "images": count} for (w, h), count in sorted(fate.buckets.items())],
        "sizes": [
            {
                "width": w,
                "height": h,
                "bucket": [p.width, p.height],
                "scale": round(p.scale, 4),
                "lost": round(p.lost, 4),
            }
            for (w, h), p in sorted(fate.placed.items())
        ],
    }


def _pairs(images: ImageSet) -> dict[str, Any] | None:
    if images.pairs is None:
        return None
    return images.pairs._asdict() | {"shifted": [shift._asdict() for shift in images.pairs.shifted]}
