"""Alpha, wherever it stands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lora_doctor.adapter.facts import examine

from .samples import made

TARGETS = r"transformer_blocks\.0\.attn\.to_[qk]$"


def recorded(**config: object) -> dict[str, str]:
    return {"lora_adapter_metadata": json.dumps({f"transformer.{k}": v for k, v in config.items()})}


def test_alpha_tensor(tmp_path: Path) -> None:
    adapter = made(tmp_path, model="flux2-klein-4b", format="kohya", targets="img_attn", rank=8, alpha=2.0)
    assert (adapter.scales.distinct, adapter.scales.source) == ((0.25,), "tensors")


def test_alpha_zero_means_rank(tmp_path: Path) -> None:
    adapter = made(tmp_path, model="flux2-klein-4b", format="kohya", targets="img_attn", rank=8, alpha=0.0)
    assert adapter.scales.distinct == (1.0,)


def test_full_lokr_ignores_alpha(tmp_path: Path) -> None:
    adapter = made(tmp_path, model="flux2-klein-4b", format="comfyui", kind="lokr", targets="img_attn", alpha=1e10)
    assert adapter.scales.distinct == (1.0,)


def test_metadata(tmp_path: Path) -> None:
    adapter = made(tmp_path, model="flux2-klein-4b", rank=4, targets=TARGETS, metadata=recorded(r=4, lora_alpha=8))
    assert (adapter.scales.distinct, adapter.scales.source) == ((2.0,), "metadata")


def test_rank_stabilised(tmp_path: Path) -> None:
    config = recorded(r=4, lora_alpha=8, use_rslora=True)
    assert made(tmp_path, model="flux2-klein-4b", rank=4, targets=TARGETS, metadata=config).scales.distinct == (4.0,)


def test_alpha_pattern(tmp_path: Path) -> None:
    config = recorded(r=4, lora_alpha=4, alpha_pattern={"attn.to_k": 12})
    scales = made(tmp_path, model="flux2-klein-4b", rank=4, targets=TARGETS, metadata=config).scales
    assert scales.distinct == (1.0, 3.0)


def test_adapter_config_beside(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"r": 2, "lora_alpha": 1}')
    assert made(tmp_path, model="flux2-klein-4b", targets=TARGETS).scales.source == "nowhere"
    adapter = made(tmp_path, "adapter_model", model="flux2-klein-4b", targets=TARGETS)
    assert (adapter.scales.distinct, adapter.scales.source) == ((0.5,), "adapter_config.json")
    row = adapter.loads_in("diffusers")
    assert row is not None
    assert row.scale == 2.0


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"transformer.r": null}', "[" * 5000, '{"a": {"b": 1}}', '{"transformer.lora_alpha": "x"}']
)
def test_broken_metadata(tmp_path: Path, text: str) -> None:
    adapter = made(tmp_path, model="flux2-klein-4b", targets=TARGETS, metadata={"lora_adapter_metadata": text})
    assert adapter.scales.distinct == (1.0,)


def test_nothing_says(tmp_path: Path) -> None:
    path = made(tmp_path, model="flux2-klein-4b", targets=TARGETS).file.path
    assert examine(path).scales.source == "nowhere"
