"""Where each trainer's bucketing puts an image: which size, scaled by how much, and how much is cut off.

Re-told from the sources named in `trainers`; no random crop is simulated, its share is the same.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, NamedTuple

from lora_doctor.dataset.facts import ImageFacts
from lora_doctor.dataset.imageset import Fate, Placed
from lora_doctor.dataset.trainers import habits
from lora_doctor.models.families import FAMILIES
from lora_doctor.plan import Dataset, Plan

Place = Callable[[int, int], Placed]
NEVER = ("diffusion-pipe", "diffusers")  # cut the bucket once: what is left over is left over in every epoch
WHOLE = ("SimpleTuner", "OneTrainer")  # leave a bucket alone that has fewer images than a batch
SHARING = ("diffusion-pipe", "OneTrainer")  # put the images of all folders into the same buckets


def fates(plan: Plan, data: Dataset, images: Iterable[ImageFacts]) -> tuple[Fate, ...]:
    """What becomes of the images at each resolution; nothing where this trainer's way is not known."""
    edges = data.resolution.value
    turns = habits(plan.trainer).turns
    if not isinstance(edges, list) or not edges or (turns is None and plan.trainer != "SimpleTuner"):
        return ()
    sizes = Counter((image.shown if turns else (image.width, image.height)) for image in images if image.width)
    found = []
    for edge in edges:
        place = _placing(plan, data, edge) if isinstance(edge, int) and edge > 0 else None
        if place is None:
            return ()
        placed = {size: place(*size) for size in sizes}
        buckets: Counter[tuple[int, int]] = Counter()
        for size, count in sizes.items():
            buckets[placed[size].width, placed[size].height] += count
        found.append(_batched(plan, data, Fate(edge, placed, dict(buckets))))
    return tuple(found)


def _batched(plan: Plan, data: Dataset, fate: Fate) -> Fate:
    """What does not fill a batch."""
    batch = data.batch_size.value or plan.batch_size.value
    repeats = data.repeats.value
    if not isinstance(batch, int) or batch < 1 or not isinstance(repeats, (int, float)):
        return fate
    shown = {bucket: int(count * repeats) for bucket, count in fate.buckets.items()}
    if plan.trainer in SHARING:
        batch *= int(plan.processes.value or 1) * int(plan.accumulation.value or 1 if plan.trainer in NEVER else 1)
    fate = fate._replace(batch=batch)
    if plan.trainer in SHARING and len(plan.datasets) > 1:
        return fate  # what is left over depends on the other folders
    if plan.trainer == "OneTrainer" and (repeats < 1 or len(data.resolution.value or ()) > 1):
        return fate  # every epoch draws anew which images, or at which of the resolutions
    if plan.trainer in NEVER:
        left = {bucket: count % batch for bucket, count in shown.items()}
        unseen = sum(fate.buckets[b] if shown[b] < batch else left[b] if repeats == 1 else 0 for b in shown)
        return fate._replace(unseen=unseen)
    if plan.trainer in WHOLE:
        return fate._replace(unseen=sum(fate.buckets[b] for b, count in shown.items() if count < batch))
    if plan.trainer == "ai-toolkit":
        return fate._replace(extra=sum(-count % batch for count in shown.values()))
    return fate


def _placing(plan: Plan, data: Dataset, edge: int) -> Place | None:
    ways: dict[str, Callable[[Plan, Dataset, int], Place | None]] = {
        "diffusion-pipe": _diffusion_pipe,
        "ai-toolkit": _ai_toolkit,
        "sd-scripts": _sd_scripts,
        "kohya_ss": _sd_scripts,
        "musubi-tuner": _musubi,
        "OneTrainer": _onetrainer,
        "SimpleTuner": _simpletuner,
        "diffusers": _diffusers,
        "lora-doctor": _own,
    }
    way = ways.get(plan.trainer)
    return way(plan, data, edge) if way else None


def setting(plan: Plan, data: Dataset, key: str, default: Any) -> Any:
    """A trainer's own setting, from the entry outwards to the file and the command."""
    prefix = data.prefix
    while prefix:
        found = data.config.get(f"{prefix}.{key}")
        if found.written:
            return found.value
        prefix = prefix.rpartition(".")[0]
    for key_ in (key, f"general.{key}"):
        if (found := data.config.get(key_)).written:
            return found.value
    found = plan.argument(key)
    return found.value if found.written else default


def number(value: Any, default: float) -> float:
    """A number as written, or the default where it is none."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0 else default


def covering(width: int, height: int, bucket: tuple[int, int]) -> Placed:
    """Scaled until the bucket is covered, the rest cut off."""
    wide, high = max(1, bucket[0]), max(1, bucket[1])
    scale = max(wide / width, high / height)
    return Placed(wide, high, scale, max(0.0, 1.0 - wide * high / (width * scale * height * scale)))


def nearest(value: float, step: int) -> int:
    """The multiple nearest to a length, at least one step."""
    return max(step, round(value / step) * step)


def _diffusion_pipe(plan: Plan, data: Dataset, edge: int) -> Place:
    ratios = _pipe_ratios(plan, data)

    def place(width: int, height: int) -> Placed:
        ratio = min(ratios, key=lambda each: abs(math.log(width / height) - math.log(each)))
        wide = math.sqrt(edge * edge * ratio)
        return covering(width, height, (nearest(wide, 16), nearest(edge * edge / wide, 16)))

    return place


def _pipe_ratios(plan: Plan, data: Dataset) -> list[float]:
    if data.buckets.value is False:
        return [1.0]
    given = setting(plan, data, "ar_buckets", None)
    if isinstance(given, list) and given:
        pairs = [each[0] / each[1] if isinstance(each, list) and len(each) == 2 else each for each in given]
        return [float(each) for each in pairs if isinstance(each, (int, float)) and each > 0] or [1.0]
    low, high = number(setting(plan, data, "min_ar", None), 0.5), number(setting(plan, data, "max_ar", None), 2.0)
    count = int(number(setting(plan, data, "num_ar_buckets", None), 7))
    return [low * (high / low) ** (i / max(1, count - 1)) for i in range(count)]


def _ai_toolkit(plan: Plan, data: Dataset, edge: int) -> Place:
    step = 32 if plan.model.family in ("flux1", "chroma", "sana") else 16
    square = data.buckets.value is False or setting(plan, data, "square_crop", False) is True

    def place(width: int, height: int) -> Placed:
        if square:
            return covering(width, height, (edge, edge))
        wanted = min(width * height, edge * edge)
        factor = math.sqrt(wanted / (width * height)) / step
        sizes = [
            (wide * step, high * step)
            for wide in {math.floor(width * factor), math.ceil(width * factor)}
            for high in {math.floor(height * factor), math.ceil(height * factor)}
            if wide and high and wide * high * step * step <= edge * edge
        ]
        fallback = (max(step, int(width * factor) * step), max(step, int(height * factor) * step))
        size = min(sorted(sizes), key=lambda each: abs(each[0] * each[1] - wanted), default=fallback)
        return covering(width, height, size)

    return place


@cache
def _predefined(edge: int, low: int, high: int, step: int) -> tuple[tuple[int, int], ...]:
    """sd-scripts' list of bucket sizes."""
    side = edge // step * step
    sizes = {(side, side)}
    for wide in range(low, high + 1, step):
        tall = min(high, edge * edge // wide // step * step)
        if tall >= low:
            sizes |= {(wide, tall), (tall, wide)}
    return tuple(sorted(sizes))


def _sd_scripts(plan: Plan, data: Dataset, edge: int) -> Place:
    step = int(number(setting(plan, data, "bucket_reso_steps", None), 64))
    low = int(number(setting(plan, data, "min_bucket_reso", None), 256))
    high = int(number(setting(plan, data, "max_bucket_reso", None), 1024))
    shrink_only = setting(plan, data, "bucket_no_upscale", False) is True

    def place(width: int, height: int) -> Placed:
        if not data.buckets.value:
            return covering(width, height, (edge, edge))
        if shrink_only:
            return _shrunk(width, height, edge, step)
        sizes = _predefined(edge, low, high, step)
        ratio = width / height
        size = (
            (width, height) if (width, height) in sizes else min(sizes, key=lambda each: abs(each[0] / each[1] - ratio))
        )
        return covering(width, height, size)

    return place


def _shrunk(width: int, height: int, edge: int, step: int) -> Placed:
    """`bucket_no_upscale`: shrunk to the area where it is larger, then cut to multiples of the step."""
    scale = min(1.0, math.sqrt(edge * edge / (width * height)))
    size = tuple(max(step, int(side * scale + 0.5) // step * step) for side in (width, height))
    wide, high = min(size[0], width), min(size[1], height)
    lost = 1.0 - wide * high / (width * scale * height * scale)
    return Placed(wide, high, scale, max(0.0, lost))


def _musubi(plan: Plan, data: Dataset, edge: int) -> Place:
    step = 16
    shrink_only = setting(plan, data, "bucket_no_upscale", False) is True

    def place(width: int, height: int) -> Placed:
        if not data.buckets.value:
            return covering(width, height, (edge, edge))
        if shrink_only and width * height <= edge * edge:
            wide, high = max(step, width // step * step), max(step, height // step * step)
            return Placed(wide, high, 1.0, max(0.0, 1 - wide * high / (width * height)))
        ratio = width / height
        size = min(_musubi_sizes(edge, step), key=lambda each: abs(each[0] / each[1] - ratio))
        return covering(width, height, size)

    return place


@cache
def _musubi_sizes(edge: int, step: int) -> tuple[tuple[int, int], ...]:
    sizes = set()
    for wide in range(max(step, edge // 2 // step * step), edge + step, step):
        high = edge * edge // wide // step * step
        sizes |= {(wide, high), (high, wide)}
    return tuple(sorted(sizes))


RATIOS = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0)  # OneTrainer's, of height to width and the other way round
# Pixels, by the beginning of OneTrainer's model type; 64 for all others (modules/dataLoader/@23df3832)
STEPS = {"STABLE_DIFFUSION_1": 8, "STABLE_DIFFUSION_2": 8, "SANA": 32, "PIXART": 16, "WUERSTCHEN": 128,
         "STABLE_CASCADE": 128}  # fmt: skip
TYPES = {"sana": "SANA", "sd15": "STABLE_DIFFUSION_15"}  # of our families, where no config names a type


def _onetrainer(plan: Plan, data: Dataset, edge: int) -> Place:
    """mgds@3a6994a AspectBucketing.py: the nearest ratio of height to width, each side rounded."""
    kind = str(plan.get("model_type").value or TYPES.get(plan.model.family or "", ""))
    step = next((size for start, size in STEPS.items() if kind.startswith(start)), 64)
    shape = _fixed_shape(plan, data)
    if shape is not None:
        return lambda width, height: covering(width, height, (nearest(shape[0], step), nearest(shape[1], step)))
    if data.buckets.value is False:
        return lambda width, height: covering(width, height, (edge, edge))
    sizes = _onetrainer_sizes(edge, step)
    return lambda width, height: covering(
        width, height, min(sizes, key=lambda each: abs(each[1] / each[0] - height / width))
    )


def _fixed_shape(plan: Plan, data: Dataset) -> tuple[int, int] | None:
    """`832x1216`: every image becomes this wide and high."""
    own = data.config.get(f"{data.prefix}.image.enable_resolution_override").value is True
    text = data.config.get(f"{data.prefix}.image.resolution_override").value if own else plan.get("resolution").value
    sides = text.split("x") if isinstance(text, str) and "," not in text else []
    return (int(sides[0]), int(sides[1])) if len(sides) == 2 and all(side.strip().isdigit() for side in sides) else None


@cache
def _onetrainer_sizes(edge: int, step: int) -> tuple[tuple[int, int], ...]:
    sides = [(edge / math.sqrt(ratio), edge * math.sqrt(ratio)) for ratio in RATIOS]
    turned = [(high, wide) for wide, high in sides]
    return tuple(sorted({(nearest(wide, step), nearest(high, step)) for wide, high in (*sides, *turned)}))


def _simpletuner(plan: Plan, data: Dataset, edge: int) -> Place:
    step = int(number(setting(plan, data, "aspect_bucket_alignment", None), 64))

    def place(width: int, height: int) -> Placed:
        if data.buckets.value is False:
            return covering(width, height, (nearest(edge, step), nearest(edge, step)))
        ratio = round(width / height, 2) or 0.01
        side = nearest(edge, step)
        size = (nearest(side * math.sqrt(ratio), step), nearest(side / math.sqrt(ratio), step))
        return covering(width, height, size)

    return place


def _diffusers(plan: Plan, data: Dataset, edge: int) -> Place | None:
    listed = plan.get("aspect_ratio_buckets").value
    if not data.buckets.value:
        return lambda width, height: covering(width, height, (edge, edge))
    if not isinstance(listed, str):
        return None  # made up from the images, in a way that changed between versions
    pairs = [pair.split(",") for pair in listed.split(";") if pair.strip()]
    sizes = [
        (int(pair[1]), int(pair[0])) for pair in pairs if len(pair) == 2 and all(p.strip().isdigit() for p in pair)
    ]
    if not sizes:
        return None
    return lambda width, height: covering(
        width, height, min(sizes, key=lambda size: abs(height * size[0] - width * size[1]))
    )


def _own(plan: Plan, data: Dataset, edge: int) -> Place:
    shape = own_shape(plan, data)
    return lambda width, height: own_bucket(width, height, edge, shape)


class Shape(NamedTuple):
    """What lora-doctor's own buckets may look like: `step` divides every side, `limit` is the widest ratio of sides."""

    step: int = 16
    limit: float = 2.0
    enlarge: bool = False
    ratios: bool = True


def own_shape(plan: Plan, data: Dataset) -> Shape:
    """As the config says; sides are multiples of what this model's VAE and denoiser divide by."""
    family = FAMILIES.get(plan.model.family or "")
    return Shape(
        family.bucket_divisor if family else 16,
        number(setting(plan, data, "buckets.max_aspect_ratio", None), 2.0),
        setting(plan, data, "buckets.upscale", False) is True,
        data.buckets.value is not False,
    )


def own_bucket(width: int, height: int, edge: int, shape: Shape = Shape()) -> Placed:  # noqa: B008 (it never changes)
    """lora-doctor's own bucket: the image's area up to `edge` squared, sides in steps, ratio up to a limit.

    Every image has one: what is smaller than a step is enlarged to it.
    """
    limit = shape.limit if shape.ratios else 1.0
    ratio = min(max(width / height, 1 / limit), limit)
    kept = min(width * height, (height * ratio) * height if width / height > ratio else width * (width / ratio))
    area = float(edge * edge) if shape.enlarge else min(float(edge * edge), kept)
    sides = nearest(math.sqrt(area * ratio), shape.step), nearest(math.sqrt(area / ratio), shape.step)
    return covering(width, height, sides)
