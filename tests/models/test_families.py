"""The facts hold together."""

from __future__ import annotations

import pytest

from lora_doctor.models.families import DISTILLED, ENCODERS, FAMILIES, is_distilled, model_id, size_of
from lora_doctor.models.modules import model_ids


def test_encoders_reach_the_width_the_denoiser_takes() -> None:
    for family in FAMILIES.values():
        for size in family.sizes:
            assert all(e in ENCODERS for e in size.encoders)
            if size.encoder_layers:
                encoder = ENCODERS[size.encoders[-1]]
                assert encoder.hidden * len(size.encoder_layers) == size.context
                assert max(size.encoder_layers) < encoder.layers


def test_bands_are_ordered_and_have_a_source() -> None:
    for family in FAMILIES.values():
        for band in (family.learning_rate, family.rank, family.exposures):
            if band:
                low, high = band.ok
                assert 0 < low < high
                assert band.warn[0] is None or band.warn[0] <= low
                assert band.warn[1] is None or band.warn[1] >= high
                assert band.source


def test_klein() -> None:
    klein = FAMILIES["flux2-klein"]
    assert klein.learning_rate is not None
    assert (klein.learning_rate.ok, klein.learning_rate.warn) == ((5e-5, 2e-4), (3e-5, 4e-4))
    four, nine = klein.sizes
    assert (four.width, four.context, four.blocks, four.encoders) == (3072, 7680, (5, 20), ("qwen3-4b",))
    assert (nine.width, nine.context, nine.blocks, nine.encoders) == (4096, 12288, (8, 24), ("qwen3-8b",))
    assert not klein.conv_targets
    assert klein.guidance_embedding is False


@pytest.mark.parametrize(
    ("family", "size", "variant", "expected"),
    [
        ("flux2-klein", "4B", "base", "flux2-klein-4b"),
        ("flux2-klein", None, None, None),
        ("flux2-dev", None, "dev", "flux2-dev"),
        ("flux1", None, "schnell", "flux1-schnell"),
        ("flux1", None, "kontext", "flux1-dev"),
        ("sana", "1.6B", "1.5", "sana1.5-1.6b"),
        ("sana", "4.8B", "1.5", "sana1.5-4.8b"),
        ("sana", "600M", "sprint", "sana-sprint-600m"),
        ("sdxl", None, "refiner", "sdxl-refiner"),
        ("sdxl", None, "v-prediction", "sdxl"),
        ("chroma", None, None, None),
        (None, None, None, None),
    ],
)
def test_model_ids(family: str | None, size: str | None, variant: str | None, expected: str | None) -> None:
    assert model_id(family, size, variant) == expected
    assert expected is None or expected in model_ids()


def test_size_of() -> None:
    assert size_of("flux2-klein", "12B") is None
    found = size_of("sdxl", None)
    assert found is not None
    assert found.id == "sdxl"


def test_distilled() -> None:
    assert is_distilled("distilled")
    assert not is_distilled("base")
    assert not is_distilled(None)
    assert "dev" not in DISTILLED
