"""Blur is measured in pixels, of the sharpest part, and nothing else about the picture counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Examine


def blur(examine: Examine, text: str) -> float:
    [image] = examine(text).images
    assert image.blur is not None
    return image.blur


@pytest.mark.parametrize("sigma", [1.5, 2, 3, 5])
def test_the_radius_is_recovered(examine: Examine, sigma: float) -> None:
    assert blur(examine, f"a.png: 640x640 photo blur={sigma}") == pytest.approx(sigma, rel=0.25)


@pytest.mark.parametrize("change", ["dark=0.3", "contrast=0.4", "grain=6", "grey", "bars=0.2"])
def test_light_noise_and_frames_change_little(examine: Examine, change: str) -> None:
    assert blur(examine, f"a.png: 640x640 photo {change}") < 0.9
    assert blur(examine, f"a.png: 640x640 photo blur=3 {change}") == pytest.approx(3, rel=0.3)


def test_shaken_is_blurred(examine: Examine) -> None:
    assert blur(examine, "a.png: 640x640 photo motion=15") > 1.2


def test_only_the_sharpest_part_counts(examine: Examine) -> None:
    assert blur(examine, "a.png: 640x640 product") < 0.9


def test_a_plain_picture_says_nothing(examine: Examine) -> None:
    [image] = examine("a.png: 640x640 flat").images
    assert image.blur is None


def test_judged_at_training_resolution(examine: Examine) -> None:
    [image] = examine("a.png: 1200x1200 photo blur=2").images
    assert image.blur_at(1200) == image.blur
    assert image.blur_at(600) == pytest.approx((image.blur or 0) / 2)


def test_enlarged_pictures_have_less_detail(examine: Examine) -> None:
    [image, enlarged] = examine("a.png: 640x640 photo\nb.png: 640x640 photo upscaled=3").images
    assert image.detail == 1.0
    assert enlarged.detail == pytest.approx(0.45, abs=0.12)


def test_a_direction_without_sharp_edges_is_no_motion(examine: Examine, folder: Path) -> None:
    """Blades of grass: sharp across, and only soft shades along."""
    import cv2
    import numpy as np

    rng = np.random.default_rng(4)
    rows = rng.normal(0, 12, (6, 6)).astype(np.float32)
    grass = 120 + cv2.resize(rows, (640, 640), interpolation=cv2.INTER_CUBIC)
    for x in range(10, 630, 17):
        grass[int(rng.integers(0, 200)) :, x : x + int(rng.integers(4, 11))] += float(rng.uniform(-60, 60))
    cv2.imwrite(str(folder / "a.png"), cv2.GaussianBlur(grass, (0, 0), 0.7).clip(0, 255).astype(np.uint8))
    [image] = examine("").images
    assert image.blur is not None
    assert image.blur < 1.1
