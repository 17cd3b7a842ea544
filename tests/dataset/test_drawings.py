"""Drawings, charts, products on white: what is plain is not taken for bars, lost light, fog, blur or a copy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import Examine

if TYPE_CHECKING:
    from lora_doctor.dataset.imageset import ImageSet

Draw = Callable[[Any, Any, Any], None]  # OpenCV, a white picture of 640 x 640, random numbers


def _lines(cv2: Any, picture: Any, rng: Any) -> None:
    for _ in range(14):
        points = rng.integers(60, 580, (1, 6, 2)).astype("int32")
        cv2.polylines(picture, points, False, (20, 20, 20), 3, cv2.LINE_AA)


def _chart(cv2: Any, picture: Any, rng: Any) -> None:
    cv2.rectangle(picture, (80, 60), (600, 580), (0, 0, 0), 1)
    for tick in range(80, 600, 65):
        cv2.putText(picture, str(tick), (tick, 610), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    heights = 320 + rng.normal(0, 30, 27).cumsum()
    points = [[[80 + 20 * i, int(min(570, max(70, height)))] for i, height in enumerate(heights)]]
    import numpy as np

    cv2.polylines(picture, np.array(points, np.int32), False, (200, 120, 30), 2, cv2.LINE_AA)


def _flat(cv2: Any, picture: Any, rng: Any) -> None:
    picture[:] = rng.integers(0, 2, 3) * 215 + 40
    corners = rng.integers(150, 490, (1, 4, 2)).astype("int32")
    cv2.fillPoly(picture, corners, tuple(int(level) for level in rng.integers(0, 256, 3)), cv2.LINE_AA)


def _gradient(cv2: Any, picture: Any, rng: Any) -> None:
    import numpy as np

    picture[:] = np.linspace(255, 90 + int(rng.integers(0, 60)), 640).astype("uint8")[:, None, None]
    for _ in range(5):
        x, y = (int(at) for at in rng.integers(100, 450, 2))
        wide, high = (int(side) for side in rng.integers(20, 150, 2))
        cv2.rectangle(picture, (x, y), (x + wide, y + high), tuple(int(level) for level in rng.integers(0, 256, 3)), -1)


def _product(cv2: Any, picture: Any, rng: Any) -> None:
    import numpy as np

    cells = int(rng.integers(5, 30))
    texture = cv2.resize(rng.integers(0, 256, (cells, cells, 3)).astype("uint8"), (640, 640), interpolation=0)
    mask = cv2.ellipse(np.zeros((640, 640), "uint8"), (320, 320), (130, 200), 20, 0, 360, 255, -1)
    picture[mask > 0] = texture[mask > 0]


@pytest.fixture
def drawn(folder: Path, examine: Examine) -> Callable[..., ImageSet]:
    """A dozen of a kind, as PNG and as JPEG."""

    def drawing(draw: Draw, ending: str) -> ImageSet:
        import cv2
        import numpy as np

        for number in range(12):
            picture = np.full((640, 640, 3), 255, np.uint8)
            draw(cv2, picture, np.random.default_rng(number))
            cv2.imwrite(str(folder / f"{number}{ending}"), picture)
        return examine("")

    return drawing


@pytest.mark.parametrize("draw", [_lines, _chart, _flat, _gradient, _product])
@pytest.mark.parametrize("ending", [".png", ".jpg"])
def test_no_false_alarm(drawn: Callable[..., ImageSet], draw: Draw, ending: str) -> None:
    found = drawn(draw, ending)
    assert [group.names for group in found.copies] == []
    for image in found.images:
        assert (image.clipped or 0) < 0.2, "paper is no lost light"
        assert not _letterboxed(image.bars)
        assert (image.blocks or 1) < 1.13, "lines make no JPEG"
        assert (image.blur or 0) < 1.5


def _letterboxed(bars: tuple[int, int, int, int]) -> bool:
    return any(bars) and not all(bars)


def test_an_exact_copy_is_told_of_beside_near_ones(examine: Examine, folder: Path) -> None:
    examine("a.png: 400x400 photo\nb.jpg: 300x300 like=a.png quality=60\nc.png: 400x400 photo")
    (folder / "d.png").write_bytes((folder / "a.png").read_bytes())
    groups = {group.how: group.names for group in examine("").copies}
    assert groups == {"identical": ("a.png", "d.png"), "near": ("a.png", "b.jpg")}


def test_a_sprite_on_its_ground_has_no_bars(examine: Examine, folder: Path) -> None:
    import cv2
    import numpy as np

    cells = np.full((32, 32, 3), (252, 240, 226), np.uint8)
    cells[3:29, 3:29] = np.random.default_rng(1).integers(0, 200, (26, 26, 1)).astype(np.uint8)
    cv2.imwrite(str(folder / "a.png"), cv2.resize(cells, (640, 640), interpolation=cv2.INTER_NEAREST))
    [image] = examine("").images
    assert not _letterboxed(image.bars)


def test_a_drawing_on_two_grounds_is_no_crop(examine: Examine, folder: Path) -> None:
    import cv2
    import numpy as np

    texture = np.random.default_rng(2).integers(0, 256, (9, 14, 3)).astype(np.uint8)
    for name, shade, (x, y) in (("a", 40, (60, 90)), ("b", 24, (250, 280)), ("c", 56, (140, 330))):
        picture = np.full((512, 512, 3), shade, np.uint8)
        picture[y : y + 108, x : x + 168] = cv2.resize(texture, (168, 108), interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(folder / f"{name}.png"), picture)
    assert [group.names for group in examine("").copies] == []


def test_a_pure_colour_is_no_lost_light(examine: Examine, folder: Path) -> None:
    import cv2
    import numpy as np

    rng = np.random.default_rng(3)
    picture = cv2.resize(rng.integers(60, 150, (20, 20, 3)).astype(np.uint8), (640, 640), interpolation=cv2.INTER_CUBIC)
    picture[..., 0] = 255
    cv2.imwrite(str(folder / "a.png"), picture)
    [image] = examine("").images
    assert (image.clipped or 0) < 0.01


def test_pale_paper_is_no_fog(examine: Examine, folder: Path) -> None:
    import cv2
    import numpy as np

    picture = np.full((640, 640, 3), 255, np.uint8)
    cv2.rectangle(picture, (240, 200), (400, 440), (215, 215, 215), -1)
    cv2.imwrite(str(folder / "a.png"), picture)
    found = examine("")
    from lora_doctor.rule import load_topic

    [rule] = [each for each in load_topic("dataset") if each.id == "flat-contrast"]
    assert not list(rule.check(found))


def test_real_bars_are_still_seen(examine: Examine) -> None:
    [image] = examine("a.png: 640x640 photo bars=0.12").images
    assert _letterboxed(image.bars)


def test_lost_light_is_still_seen(examine: Examine) -> None:
    [image] = examine("a.jpg: 640x640 photo bright=5").images
    assert (image.clipped or 0) > 0.3


@pytest.mark.parametrize("size", ["1x1", "3x200", "7x7"])
def test_the_smallest_images_are_no_trouble(examine: Examine, size: str) -> None:
    [image] = examine(f"a.png: {size} mid").images
    assert not image.error
    assert image.blur is None
    assert image.texture is None
