"""What the first bytes tell: by content, whatever the name."""

from __future__ import annotations

import pytest

from .conftest import Examine


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "tif", "gif", "avif"])
def test_every_format_is_read_by_its_content(examine: Examine, suffix: str) -> None:
    [image] = examine(f"a.png: 160x120 photo as={suffix}").images
    formats = {"jpg": "jpeg", "tif": "tiff"}
    assert (image.error, image.format, image.width, image.height) == ("", formats.get(suffix, suffix), 160, 120)
    assert image.hash
    assert image.middle is not None


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(examine: Examine, orientation: int) -> None:
    [image] = examine(f"a.jpg: 160x120 photo exif={orientation}").images
    assert image.orientation == orientation
    assert image.shown == ((120, 160) if orientation >= 5 else (160, 120))


@pytest.mark.parametrize("quality", [10, 37, 50, 75, 88, 95, 100])
def test_jpeg_quality_is_exact(examine: Examine, quality: int) -> None:
    [image] = examine(f"a.jpg: 160x120 photo quality={quality}").images
    assert image.quality == quality


def test_storage(examine: Examine) -> None:
    images = examine(
        "a.jpg: 160x120 photo cmyk\nb.png: 160x120 photo bits=16\nc.jpg: 160x120 photo profile=Display_P3\n"
        "d.png: 160x120 photo alpha\ne.png: 160x120 photo grey"
    ).images
    cmyk, deep, wide, clear, grey = images
    assert cmyk.mode == "CMYK"
    assert deep.bits == 16
    assert wide.profile == "Display_P3"
    assert clear.transparent == pytest.approx(0.75, abs=0.01)
    assert clear.hidden is not None
    assert grey.chroma == pytest.approx(0, abs=0.1)
    assert images[0].transparent is None


def test_large_images_are_measured_at_a_size_people_train_at(examine: Examine) -> None:
    [sharp, soft] = examine("a.jpg: 4000x3200 photo\nb.jpg: 4000x3200 photo blur=12").images
    assert sharp.blur is not None
    assert soft.blur is not None
    assert sharp.blur < 3
    assert soft.blur == pytest.approx(12, rel=0.3)
