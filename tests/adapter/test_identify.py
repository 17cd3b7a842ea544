"""The true model is never excluded: every model, format, choice of layers and method."""

from __future__ import annotations

import pytest

from lora_doctor.adapter import sample
from lora_doctor.adapter.identify import BY_ID, MODELS, Model
from lora_doctor.adapter.names import UNETS

from .samples import TARGETS, identity

METHODS = ({"kind": "lora"}, {"kind": "loha"}, {"kind": "lokr"}, {"kind": "lora", "dora": True})


@pytest.mark.parametrize("model", MODELS, ids=[m.id for m in MODELS])
@pytest.mark.parametrize("targets", TARGETS)
def test_true_model_is_never_excluded(model: Model, targets: str) -> None:
    verdicts = set()
    for format_ in sample.FORMATS:
        native = format_ in ("comfyui", "kohya", "peft", "checkpoint")
        for method in METHODS:
            found = identity(model=model.id, format=format_, targets=TARGETS[targets], **method)
            assert model.id in found.candidates, (format_, method)
            if model.family == "flux2-dev" or model.id == "flux2-klein-9b":
                assert (found.certainty, found.label) == ("certain", model.label), (format_, method)
            if found.label:
                assert BY_ID[model.id].label == found.label or found.certainty != "certain", (format_, method)
            verdicts.add((native, found.label, found.certainty))
    # the same layers are judged the same in every spelling and by every method
    assert len(verdicts) <= 2
    assert len({(label, certainty) for _, label, certainty in verdicts}) == 1 or model.naming not in UNETS


@pytest.mark.parametrize("model", ["flux2-klein-9b", "flux2-dev"])
@pytest.mark.parametrize("layer", [r"^x_embedder$", r"^transformer_blocks\.0\.attn\.to_q$", r"^proj_out$"])
def test_one_layer_of_a_unique_width_is_certain(model: str, layer: str) -> None:
    found = identity(model=model, targets=layer)
    assert (found.label, found.certainty) == (model, "certain")


def test_klein_4b_attention_is_likely() -> None:
    found = identity(model="flux2-klein-4b", targets=r"attn\.to_[qkv]$")
    assert (found.label, found.certainty) == ("flux2-klein-4b", "likely")
    assert "flux1" in found.reason
    assert "Qwen-Image" in found.twins


@pytest.mark.parametrize("model", ["flux2-klein-4b", "flux1-dev"])
def test_attention_of_few_blocks_is_ambiguous(model: str) -> None:
    found = identity(model=model, targets=r"transformer_blocks\.[01]\.attn\.to_[qkv]$")
    if model == "flux1-dev":  # single_transformer_blocks.0.attn.to_q is FLUX.1's alone
        assert (found.label, found.family) == ("flux1", "flux1")
        found = identity(model=model, targets=r"^transformer_blocks\.[01]\.attn\.to_[qkv]$")
    assert (found.label, found.certainty, found.family) == ("", "ambiguous", None)
    assert {"flux2-klein-4b", "flux1-dev"} <= set(found.candidates)


def test_metadata_decides_between_equal_shapes() -> None:
    targets = r"^transformer_blocks\.0\.attn\.to_q$"
    found = identity({"ss_base_model_version": "flux.1"}, model="flux2-klein-4b", targets=targets)
    assert (found.label, found.certainty, found.conflict) == ("flux1", "likely", "")


def test_metadata_never_beats_shapes() -> None:
    claims = {"modelspec.architecture": "Flux.2-klein-9b/lora"}
    found = identity(claims, model="flux2-klein-4b", targets="single_transformer_blocks.0")
    assert (found.label, found.certainty) == ("flux2-klein-4b", "certain")
    assert "flux2-klein-9b" in found.conflict


@pytest.mark.parametrize(
    "claim, label",
    [
        ("flux2_klein_9b", "flux2-klein-9b"), ("flux_2_klein_4b", "flux2-klein-4b"), ("flux2", "flux2-dev"),
        ("flux_2_dev", "flux2-dev"), ("flux.1", "flux1"), ("flux1", "flux1"), ("sdxl_1.0", "sdxl"),
        ("sdxl_base_v1-0", "sdxl"), ("sd_1.5", "sd15"), ("sd_v1", "sd15"), ("something else", ""),
    ],
)  # fmt: skip
def test_claims(claim: str, label: str) -> None:
    from lora_doctor.adapter.identify import claimed

    assert claimed({"ss_base_model_version": claim}) == label


def test_sana_variants_are_told() -> None:
    found = identity(model="sana-1.6b", targets=r"to_[qkv]$")
    assert (found.label, found.size, found.certainty) == ("sana-1.6b", "1.6B", "likely")
    assert found.variants == ("1.0", "1.5", "sprint")
    assert identity(model="sana1.5-4.8b", targets=r"to_[qkv]$").certainty == "certain"
    assert identity(model="sana-600m", targets=r"to_[qkv]$").certainty == "likely"  # PixArt has the same attention
    assert identity(model="sana-600m", targets=r"to_[qkv]$|conv_point").certainty == "certain"


def test_flux3_klein_is_no_flux1() -> None:
    flux3 = {
        "transformer.single_transformer_blocks.0.ff.linear_in.lora_A.weight": [2, 3072],
        "transformer.single_transformer_blocks.0.ff.linear_in.lora_B.weight": [18432, 2],
        "transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight": [2, 3072],
        "transformer.single_transformer_blocks.0.attn.to_q.lora_B.weight": [3072, 2],
    }
    found = identity(model="flux1-dev", targets="^$", extra=flux3)
    assert (found.label, found.certainty, found.candidates) == ("", "unknown", ())


def test_a_size_nobody_knows_keeps_its_family() -> None:
    tiny = {
        "transformer.single_transformer_blocks.0.attn.to_qkv_mlp_proj.lora_A.weight": [2, 32],
        "transformer.single_transformer_blocks.0.attn.to_qkv_mlp_proj.lora_B.weight": [288, 2],
    }
    found = identity(model="flux1-dev", targets="^$", extra=tiny)
    assert (found.label, found.certainty, found.naming) == ("", "unknown", "diffusers")
    assert "names" in found.reason
