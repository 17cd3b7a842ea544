"""Bodies and their parts on pictures, by the user's own detector; and how clear their joints are, by a ViTPose.

What is seen is kept like vectors are: by the content of the picture and of the models' files.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import cv2
import numpy as np
import torch

from lora_doctor.dataset.arrays import Array
from lora_doctor.dataset.cache import Cache
from lora_doctor.probe.encoders import MEAN, STD, device, kept, loaded, mark, processor
from lora_doctor.probe.given import POSE, Given
from lora_doctor.symptoms.bodies import BODY, Body
from lora_doctor.symptoms.encoded import Detect, Shown, Tell

VERSION = 1
LEAST = 0.3  # confidence of what is kept at all
MOST = 50  # things on one picture
BODIES = 4  # bodies of one picture whose joints are looked at
AROUND = 1.25  # a body's box is widened by this, as ViTPose was trained (mmpose's `padding`)
Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels


def detect(models: Sequence[Given]) -> Detect:
    """Look for bodies with a detector, a pose model, or both."""
    return partial(_detect, tuple(models))


def _detect(models: Sequence[Given], shown: Shown, store: Cache, tell: Tell | None) -> list[list[Body] | None]:
    kind = f"bodies-{VERSION}-" + "-".join(mark(each) for each in models)

    def say(_: str, done: int, whole: int) -> None:
        if tell is not None:
            tell("picture with the detector", done, whole)

    known = kept(kind, shown, store, lambda: _looking(models), say)
    found = [known.get(digest) if digest else None for digest in shown.digests]
    return [None if each is None else [Body(*row) for row in json.loads(each)] for each in found]


def _looking(models: Sequence[Given]) -> Callable[[Sequence[Array]], list[bytes]]:
    detector = next((_detector(each) for each in models if each.kind not in POSE), None)
    pose = next((_pose(each) for each in models if each.kind in POSE), None)

    @torch.no_grad()
    def look(images: Sequence[Array]) -> list[bytes]:
        seen = detector(images) if detector is not None else [[_whole(image)] for image in images]
        cleared = ([_clear(image, *each, pose) for each in found] for image, found in zip(images, seen))
        return [json.dumps(found).encode() for found in cleared]

    return look


def _whole(image: Array) -> tuple[Body, Box]:
    """Without a detector the picture is taken for one body."""
    return Body("person", 1.0), (0.0, 0.0, float(image.shape[1]), float(image.shape[0]))


def _clear(image: Array, body: Body, box: Box, pose: Callable[[Array, Box], float] | None) -> Body:
    if pose is None or not BODY.search(body.label):
        return body
    return body._replace(clear=round(pose(image, box), 4))


def _detector(given: Given) -> Callable[[Sequence[Array]], list[list[tuple[Body, Box]]]]:
    from transformers import AutoModelForObjectDetection

    model, prepare = loaded(given, AutoModelForObjectDetection), processor(given)
    names = model.config.id2label

    def look(images: Sequence[Array]) -> list[list[tuple[Body, Box]]]:
        inputs = prepare(images=list(images), return_tensors="pt").to(device())
        sizes = [image.shape[:2] for image in images]
        rows = prepare.post_process_object_detection(model(**inputs), threshold=LEAST, target_sizes=sizes)
        return [_seen(row, names) for row in rows]

    return look


def _seen(row: Any, names: Any) -> list[tuple[Body, Box]]:
    order = row["scores"].argsort(descending=True)[:MOST].tolist()
    found = [(int(row["labels"][i]), float(row["scores"][i]), row["boxes"][i].tolist()) for i in order]
    return [(Body(str(names[label]), round(score, 4)), tuple(box)) for label, score, box in found]


def _pose(given: Given) -> Callable[[Array, Box], float]:
    """The mean over joints of the highest value of each one's heatmap."""
    from transformers import VitPoseForPoseEstimation

    model = loaded(given, VitPoseForPoseEstimation)
    high, wide = (int(side) for side in model.config.backbone_config.image_size)
    experts = int(getattr(model.config.backbone_config, "num_experts", 1) or 1)
    mean, std = (np.array(each, np.float32) for each in (MEAN, STD))

    def clear(image: Array, box: Box) -> float:
        pixels = (_cut(image, box, wide, high).astype(np.float32) / 255 - mean) / std
        inputs = torch.from_numpy(pixels.transpose(2, 0, 1)[None]).to(device())
        more = {"dataset_index": torch.zeros(1, dtype=torch.long, device=device())} if experts > 1 else {}  # COCO's
        heat = model(inputs, **more).heatmaps
        return float(heat.flatten(2).amax(2).clamp(0, 1).mean())

    return clear


def _cut(image: Array, box: Box, wide: int, high: int) -> Array:
    """A box, widened to the model's shape, as a picture of its size."""
    left, top, right, bottom = box
    scale = AROUND * max((right - left) / wide, (bottom - top) / high, 1e-3)
    middle = ((left + right) / 2, (top + bottom) / 2)
    matrix = np.array(
        [[1 / scale, 0, wide / 2 - middle[0] / scale], [0, 1 / scale, high / 2 - middle[1] / scale]], np.float32
    )
    return cv2.warpAffine(image, matrix, (wide, high), flags=cv2.INTER_LINEAR)
