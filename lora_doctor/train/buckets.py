"""The size each image is trained at: the exam's own arithmetic, so that what the exam told is what happens."""

from __future__ import annotations

from lora_doctor.dataset.buckets import Shape, own_bucket
from lora_doctor.dataset.imageset import Placed
from lora_doctor.models.families import FAMILIES
from lora_doctor.train.job import Buckets


def shape_of(buckets: Buckets, family: str) -> Shape:
    """The sizes that a job's buckets may have; sides are multiples of what this model divides by."""
    known = FAMILIES.get(family)
    step = known.bucket_divisor if known else 16
    return Shape(step, buckets.max_aspect_ratio, buckets.upscale, buckets.aspect_ratios)


def placed(size: tuple[int, int], edge: int, shape: Shape) -> Placed:
    """Where an image of `size` (width and height as shown, pixels) goes at one resolution; every image has a place."""
    return own_bucket(*size, edge, shape)
