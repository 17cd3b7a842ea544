"""Where files load, by program; the slow test lets diffusers itself answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .samples import made

KLEIN = "flux2-klein-4b"
BLOCKS = "blocks"
CASES = [
    # fields, diffusers, ComfyUI
    ({"format": "diffusers", "targets": BLOCKS}, "all", "all"),
    ({"format": "comfyui", "targets": BLOCKS}, "all", "all"),
    ({"format": "comfyui", "targets": BLOCKS, "alpha": 1.0}, "fails", "all"),
    ({"format": "kohya", "targets": BLOCKS, "alpha": 1.0}, "all", "all"),
    ({"format": "kohya", "targets": "modulation|final_layer|img_in", "alpha": 1.0}, "some", "all"),
    ({"format": "peft", "targets": BLOCKS}, "all", "none"),
    ({"format": "bare", "targets": BLOCKS}, "none", "all"),
    ({"format": "default", "targets": BLOCKS}, "none", "all"),
    ({"format": "checkpoint", "targets": BLOCKS}, "none", "none"),
    ({"format": "lycoris", "targets": BLOCKS, "kind": "lokr"}, "all", "all"),
    ({"format": "comfyui", "targets": BLOCKS, "kind": "lokr"}, "all", "all"),
    ({"format": "comfyui", "targets": BLOCKS, "kind": "loha"}, "fails", "all"),
    ({"format": "diffusers", "targets": "modulation"}, "all", "none"),
]


@pytest.mark.parametrize("fields, diffusers, comfyui", CASES)
def test_klein(tmp_path: Path, fields: dict[str, Any], diffusers: str, comfyui: str) -> None:
    adapter = made(tmp_path, model=KLEIN, **fields)
    rows = {row.consumer: row.status for row in adapter.loadings}
    assert (rows["diffusers"], rows["ComfyUI"]) == (diffusers, comfyui)


def test_unets(tmp_path: Path) -> None:
    for fields, diffusers, comfyui in (
        ({"format": "kohya", "alpha": 1.0}, "all", "all"),
        ({"format": "unet"}, "all", "some"),
        ({"format": "comfyui"}, "none", "all"),
    ):
        adapter = made(tmp_path, model="sdxl", targets=r"(down_blocks\.1|input_blocks\.4).*(attn2|proj_in)", **fields)
        rows = {row.consumer: row.status for row in adapter.loadings}
        assert (rows["diffusers"], rows["ComfyUI"]) == (diffusers, comfyui), fields


def test_wrong_scale_and_its_repair(tmp_path: Path) -> None:
    config = {"lora_adapter_metadata": json.dumps({"transformer.r": 2, "transformer.lora_alpha": 8})}
    adapter = made(tmp_path, model=KLEIN, targets=BLOCKS, metadata=config)
    rows = {row.consumer: row for row in adapter.loadings}
    assert rows["diffusers"].fine
    assert rows["ComfyUI"].scale == 0.25
    assert rows["ComfyUI"].command.startswith("lora-doctor bake-alpha ")


def test_every_failure_has_a_command_that_works(tmp_path: Path) -> None:
    pytest.importorskip("ml_dtypes", reason="conversions need the data extra")
    from lora_doctor.adapter.convert import convert
    from lora_doctor.adapter.facts import examine

    for format_ in ("comfyui", "kohya", "peft", "bare", "default", "checkpoint", "diffusers"):
        alpha = 1.0 if format_ == "kohya" else None
        adapter = made(tmp_path, format_, model=KLEIN, format=format_, targets="blocks", alpha=alpha)
        for row in adapter.loadings:
            if not row.command or row.status == "unknown":
                continue
            target = row.command.split("--to ")[1].split()[0]
            out = tmp_path / f"{format_}-{row.consumer}-{target}.safetensors"
            convert(adapter, target, out)
            again = examine(out).loads_in(row.consumer)
            assert again is not None
            assert again.fine, (format_, row.consumer)


@pytest.mark.slow
@pytest.mark.parametrize("fields, status, _", CASES)
def test_diffusers_agrees(tmp_path: Path, fields: dict[str, Any], status: str, _: str) -> None:
    pytest.importorskip("torch", reason="asks diffusers itself: pip install 'lora-doctor[train]'")
    from diffusers import Flux2KleinPipeline

    path = made(tmp_path, model=KLEIN, **fields).file.path
    try:
        keys = Flux2KleinPipeline.lora_state_dict(str(path))
        usable = {key.rpartition(".lo")[0] for key in keys if key.startswith("transformer.")}
        refused = not all("lora" in key or "lokr" in key for key in keys)
    except ValueError:
        assert status == "fails"
        return
    assert refused == (status == "fails")
    assert bool(usable) == (status in ("all", "some")) or refused
