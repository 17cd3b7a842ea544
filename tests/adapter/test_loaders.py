"""Where files load, by program; the slow test lets diffusers itself answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lora_doctor.adapter.case import Case
from lora_doctor.adapter.facts import Adapter
from lora_doctor.adapter.loaders import loadings

from .samples import made

KLEIN = "flux2-klein-4b"


def case_of(adapter: Adapter) -> Case:
    return Case(adapter.file, adapter.identity, adapter.format, adapter.scales)


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


FEW, BLOCK = r"transformer_blocks\.0\.", r"_blocks\.0\."
OTHERS = [
    # model, fields, Forge, Forge Neo, InvokeAI
    (KLEIN, {"format": "comfyui", "targets": BLOCKS}, "none", "all", "all"),
    (KLEIN, {"format": "kohya", "targets": BLOCKS, "alpha": 1.0}, "none", "all", "all"),
    (KLEIN, {"format": "diffusers", "targets": BLOCKS}, "none", "all", "all"),
    (KLEIN, {"format": "bare", "targets": BLOCKS}, "none", "none", "fails"),
    (KLEIN, {"format": "peft", "targets": BLOCKS}, "none", "none", "all"),
    # nothing in it differs from FLUX.1 where InvokeAI looks
    (KLEIN, {"format": "kohya", "targets": "single_blocks", "alpha": 1.0}, "none", "all", "fails"),
    (KLEIN, {"format": "comfyui", "targets": "img_attn"}, "none", "all", "fails"),
    ("flux2-klein-9b", {"format": "comfyui", "targets": "img_attn"}, "none", "all", "all"),
    (KLEIN, {"format": "comfyui", "targets": "blocks|final_layer.ada"}, "none", "all", "some"),
    (KLEIN, {"format": "kohya", "targets": "blocks|img_in", "alpha": 1.0}, "none", "all", "fails"),
    (KLEIN, {"format": "diffusers", "targets": "blocks|modulation"}, "none", "some", "all"),
    (KLEIN, {"format": "diffusers", "targets": "modulation"}, "none", "none", "fails"),
    (KLEIN, {"format": "comfyui", "targets": BLOCKS, "kind": "lokr"}, "none", "all", "all"),
    (KLEIN, {"format": "comfyui", "targets": BLOCKS, "kind": "loha"}, "none", "all", "some"),
    ("flux2-dev", {"format": "comfyui", "targets": BLOCK}, "none", "none", "all"),
    ("flux1-dev", {"format": "kohya", "targets": BLOCK, "alpha": 1.0}, "all", "all", "all"),
    ("flux1-dev", {"format": "comfyui", "targets": BLOCK}, "all", "all", "all"),
    ("flux1-dev", {"format": "diffusers", "targets": FEW}, "all", "all", "all"),
    ("flux1-dev", {"format": "diffusers", "targets": rf"{FEW}attn\.to_q"}, "all", "all", "fails"),
    ("flux1-dev", {"format": "lycoris", "targets": FEW}, "none", "all", "fails"),
    ("sdxl", {"format": "kohya", "targets": "middle_block", "alpha": 1.0}, "all", "all", "all"),
    ("sdxl", {"format": "unet", "targets": "mid_block"}, "none", "none", "fails"),
    ("sdxl", {"format": "kohya", "targets": "attn1", "alpha": 1.0}, "all", "all", "fails"),
    ("sd15", {"format": "kohya-diffusers", "targets": "mid_block", "alpha": 1.0}, "all", "all", "all"),
    ("sd15", {"format": "kohya", "targets": "middle_block", "alpha": 1.0}, "all", "all", "none"),
    ("sd21", {"format": "kohya-diffusers", "targets": "mid_block", "alpha": 1.0}, "all", "none", "all"),
    ("sana-1.6b", {"format": "diffusers", "targets": FEW}, "none", "none", "none"),
]


@pytest.mark.parametrize("model, fields, forge, neo, invoke", OTHERS)
def test_descendants_and_invokeai(
    tmp_path: Path, model: str, fields: dict[str, Any], forge: str, neo: str, invoke: str
) -> None:
    adapter = made(tmp_path, model=model, rank=1, **fields)
    rows = {row.consumer: row for row in adapter.loadings}
    found = tuple(rows[name].status for name in ("Forge", "Forge Neo", "InvokeAI"))
    assert found == (forge, neo, invoke), [row.reason for row in rows.values()]
    assert all(row.reason for row in rows.values() if not row.fine)


def test_forge_skips_what_it_knows_partly(tmp_path: Path) -> None:
    """More than a dozen unknown tensors, and it skips the whole file; Forge Neo more than half of them."""
    strange = {f"lora_unet_strange_{i}.lora_{end}.weight": [2, 2] for i in range(7) for end in ("down", "up")}
    for count, forge, neo in ((12, "some", "some"), (14, "none", "some")):
        adapter = made(
            tmp_path, model="sdxl", format="kohya", targets="middle_block", extra=dict(list(strange.items())[:count])
        )
        # a stranger's layer makes the model unknown: its family is told by the names
        adapter = adapter._replace(identity=made(tmp_path, "b", model="sdxl", format="kohya").identity)
        rows = {row.consumer: row for row in loadings(case_of(adapter))}
        assert (rows["Forge"].status, rows["Forge Neo"].status) == (forge, neo)
    assert "skips the whole LoRA" in rows["Forge"].reason


def test_attention_processors_of_2023(tmp_path: Path) -> None:
    stem = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_out_lora"
    extra = {f"{stem}.down.weight": [2, 1280], f"{stem}.up.weight": [1280, 2]}
    adapter = made(tmp_path, model="sdxl", targets="^$", extra=extra)
    assert "sdxl" in adapter.identity.candidates
    assert adapter.format.id == "old-diffusers"
    row = adapter.loads_in("ComfyUI")
    assert row is not None
    assert row.fine


def test_comfyui_knows_the_encoder_of_klein_in_kohyas_names(tmp_path: Path) -> None:
    stem = "lora_te_layers_0_self_attn_q_proj"
    extra = {f"{stem}.lora_down.weight": [2, 2560], f"{stem}.lora_up.weight": [4096, 2]}
    adapter = made(tmp_path, model=KLEIN, format="kohya", targets="single_blocks.0", extra=extra)
    rows = {row.consumer: row.status for row in adapter.loadings}
    wanted = {"ComfyUI": "all", "diffusers": "some", "Forge Neo": "some", "musubi-tuner": "some"}
    assert {name: rows[name] for name in wanted} == wanted


@pytest.mark.parametrize("model, fields", [("sdxl", {"format": "kohya"}), ("flux1-dev", {"format": "kohya"})])
def test_diffusers_drops_the_magnitudes_of_every_model(tmp_path: Path, model: str, fields: dict[str, Any]) -> None:
    adapter = made(tmp_path, model=model, targets="middle_block|double_blocks.0", dora=True, alpha=1.0, **fields)
    row = adapter.loads_in("diffusers")
    assert row is not None
    assert row.reason.startswith("DoRA")


def test_no_advice_that_cannot_be_followed(tmp_path: Path) -> None:
    """An OFT, a full difference or Tucker factors are no product of two matrices: nothing resizes them."""
    from lora_doctor.adapter.judge import judge

    for name, extra in (
        ("oft", {"lora_unet_middle_block_1_transformer_blocks_0_attn2_to_k.oft_blocks": [4, 320, 320]}),
        ("diff", {"diffusion_model.img_in.diff": [3072, 64]}),
    ):
        adapter = made(tmp_path, name, model="sdxl", targets="^$", extra=extra)
        actions = [each.finding.action for each in judge([adapter])[0] if each.rule.id == "method-not-in-diffusers"]
        assert actions == ["no conversion makes a LoRA of it: use it in ComfyUI"]


def test_no_command_that_changes_nothing(tmp_path: Path) -> None:
    """Where the names are a program's own already, writing them again repairs nothing."""
    adapter = made(tmp_path, model=KLEIN, format="comfyui", targets="img_attn")
    row = adapter.loads_in("InvokeAI")
    assert row is not None
    assert (row.status, row.command) == ("fails", "")


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
