"""How often a mark that a set's images share is found: rendered lettering and logos on crops of photographs.

    python benchmarks/dataset_watermarks.py

Sets of 24 different crops at three shapes; lettering in six fonts and a logo, three sizes (share of the shorter side),
three opacities, five places at the border, light or dark; on all images of two thirds of the sets, on 60 % of the
images of the others. Marks in the middle are not looked for: faces and products stand there. Sets without a mark:
mixed ones, crops of one photograph or texture (brick, grass, windows), letterboxed ones, subjects in the middle of
white. Limits were set on one half of the photographs.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))
import cv2
import dataset_pictures as pictures
import numpy as np
from dataset_pictures import Picture

IMAGES = 24
SHAPES = ((512, 512), (448, 576), (576, 448))
TEXTS = ("example studio", "(c) 2024 J. Doe", "@handle", "STOCK", "www.images.org", "logo")
FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSansMono", "STIXGeneral", "cmr10")
PLACES = ((0.03, 0.97), (0.97, 0.97), (0.5, 0.97), (0.97, 0.03), (0.03, 0.03))
SIZES, OPACITIES = (0.035, 0.05, 0.07), (1.0, 0.6, 0.35)


class Case(NamedTuple):
    """A set, and what was done to it: `kind` is the opacity and size, or what sort of set without a mark it is."""

    half: str
    kind: str
    marked: bool
    images: list[Picture]


def crop(image: Picture, rng: Any, size: tuple[int, int]) -> Picture:
    """Some part of a photograph, mirrored or not, in a size."""
    height, width = image.shape[:2]
    side, ratio = rng.uniform(0.45, 0.95) * min(height, width), size[0] / size[1]
    wide, high = (int(side * min(1, ratio)), int(side / max(1, ratio)))
    top, left = int(rng.integers(height - high + 1)), int(rng.integers(width - wide + 1))
    part = cv2.resize(image[top : top + high, left : left + wide], size, interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(part[:, ::-1] if rng.random() < 0.5 else part)


def stamp(size: tuple[int, int], text: str, font: str, share: float, place: tuple[float, float]) -> Any:
    """How much of each pixel is covered, 0 to 1."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    plane = Image.new("L", size, 0)
    draw, high = ImageDraw.Draw(plane), max(8, int(share * min(size)))
    if text == "logo":
        box: tuple[int, ...] = (0, 0, 3 * high, 3 * high)
    else:
        path = f"{matplotlib.get_data_path()}/fonts/ttf/{font}.ttf"
        letters = ImageFont.truetype(path, high)
        box = tuple(int(side) for side in draw.textbbox((0, 0), text, font=letters))
    left = int((size[0] - (box[2] - box[0])) * place[0]) - box[0]
    top = int((size[1] - (box[3] - box[1])) * place[1]) - box[1]
    if text == "logo":
        draw.ellipse((left, top, left + box[2], top + box[3]), outline=255, width=max(2, high // 4))
        corners = ((1, 2), (2, 2), (1.5, 1))
        draw.polygon([(left + x * high, top + y * high) for x, y in corners], fill=255)
    else:
        draw.text((left, top), text, fill=255, font=letters)
    return np.asarray(plane)[..., None] / 255.0


def cases(photos: dict[str, Picture], half: str, seed: int) -> Iterator[Case]:
    """Every set made of one half of the photographs."""
    rng = np.random.default_rng(seed)
    names = sorted(photos)

    def mixed() -> list[Picture]:
        several = rng.random() < 0.5
        shapes = [SHAPES[int(rng.integers(3))] if several else SHAPES[0] for _ in range(IMAGES)]
        return [crop(photos[names[int(rng.integers(len(names)))]], rng, shape) for shape in shapes]

    for opacity in OPACITIES:
        for share in SIZES:
            for turn in range(3):
                images = marked(mixed(), rng, share, opacity, 1.0 if turn else 0.6)
                yield Case(half, f"{opacity:.2f} opaque", True, images)
    for _ in range(8):
        yield Case(half, "mixed", False, mixed())
    for name in names:
        yield Case(half, "of one photograph", False, [crop(photos[name], rng, SHAPES[0]) for _ in range(IMAGES)])
    for _ in range(2):
        barred = mixed()
        for image in barred:
            image[: len(image) // 9] = image[-(len(image) // 9) :] = 0
        yield Case(half, "letterboxed", False, barred)
        yield Case(half, "on white", False, [pictures.on_plain(image, 255) for image in mixed()])


def marked(images: list[Picture], rng: Any, share: float, opacity: float, of_them: float) -> list[Picture]:
    """One mark on most of the images."""
    text, font = TEXTS[int(rng.integers(len(TEXTS)))], FONTS[int(rng.integers(len(FONTS)))]
    place, colour = PLACES[int(rng.integers(len(PLACES)))], 255.0 if rng.random() < 0.7 else 20.0
    found = []
    for image in images:
        cover = stamp(image.shape[1::-1], text, font, share, place) * opacity
        found.append((image * (1 - cover) + colour * cover).astype(np.uint8) if rng.random() < of_them else image)
    return found


def flagged(case: Case) -> bool:
    """What the rule says of the set."""
    from lora_doctor.dataset.exam import exam
    from lora_doctor.dataset.given import Given, given_plan
    from lora_doctor.rule import load_topic

    [rule] = [rule for rule in load_topic("dataset") if rule.id == "same-mark-on-images"]
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "images"
        folder.mkdir()
        for number, image in enumerate(case.images):
            (folder / f"{number:02}.jpg").write_bytes(pictures.jpeg(image, 92))
        [images] = exam(given_plan(folder, Given(resolution=512)), workers=1, cache=Path(home) / "cache.sqlite")
    return any(True for _ in rule.check(images))


def main() -> None:
    """Measure and show."""
    photos = pictures.sources()
    for half, names in zip(("set", "held out"), pictures.halves(list(photos))):
        counts: dict[tuple[str, bool], list[bool]] = {}
        for case in cases({name: photos[name] for name in names}, half, len(half)):
            counts.setdefault((case.kind, case.marked), []).append(flagged(case))
        print(half)
        for (kind, marked_), hits in counts.items():
            print(f"  {'with' if marked_ else 'without'} a mark, {kind:18} {sum(hits):3} of {len(hits)} flagged")
        right = sum(sum(hits) for (_, marked_), hits in counts.items() if marked_)
        wrong = sum(sum(hits) for (_, marked_), hits in counts.items() if not marked_)
        whole = sum(len(hits) for (_, marked_), hits in counts.items() if marked_)
        print(f"  recall {right / whole:.2f}, precision {right / max(1, right + wrong):.2f}")


if __name__ == "__main__":
    main()
