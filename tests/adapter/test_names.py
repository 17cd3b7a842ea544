"""Every layer of every model, in both namings: each has its counterpart, with the same inputs and all its rows."""

from __future__ import annotations

import re

import pytest

from lora_doctor.adapter import names
from lora_doctor.adapter.identify import MODELS, Model
from lora_doctor.adapter.keys import flatten, parse
from lora_doctor.models.modules import namings, table


@pytest.mark.parametrize("model", MODELS, ids=[m.id for m in MODELS])
def test_namings_match_layer_by_layer(model: Model) -> None:
    native = next(n for n in namings(model.id) if n != "diffusers")
    split = {m.name: m for m in table(model.id, "diffusers")}
    seen: set[str] = set()
    for fused in table(model.id, native):
        place = names.find(model.naming, fused.name)
        assert place is not None
        assert (place.dotted, place.naming) == (fused.name, "native")
        parts = [split[name] for name in place.pair.parts]
        assert {p.inputs for p in parts} == {fused.inputs}
        assert {p.kernel for p in parts} == {fused.kernel}
        assert sum(p.outputs for p in parts) == fused.outputs
        seen.update(place.pair.parts)
    assert seen == set(split)


@pytest.mark.parametrize("model", MODELS, ids=[m.id for m in MODELS])
def test_flat_names_find_their_dots_again(model: Model) -> None:
    for naming in namings(model.id):
        for module in table(model.id, naming):
            place = names.find(model.naming, flatten(module.name))
            assert place is not None
            assert place.dotted == module.name


def test_fused_projection_of_diffusers() -> None:
    place = names.find("flux2-klein", "transformer_blocks.3.attn.to_added_qkv")
    assert place is not None
    assert place.whole
    assert place.pair.native == "double_blocks.3.txt_attn.qkv"
    assert place.dotted == "transformer_blocks.3.attn.to_added_qkv"


@pytest.mark.parametrize("part, end", [("to_q", "to_q"), ("to_out", "to_out.0")])
def test_attention_processors_of_2023(part: str, end: str) -> None:
    """diffusers once saved LoRAs of UNets as `...attn1.processor.to_out_lora.up.weight`."""
    stem = "down_blocks.1.attentions.0.transformer_blocks.0.attn1"
    key = parse(f"unet.{stem}.processor.{part}_lora.up.weight")
    assert key is not None
    place = names.find("sdxl", key.layer)
    assert place is not None
    assert place.dotted == f"{stem}.{end}"


def test_unknown_layer() -> None:
    assert names.find("flux2-klein", "mode_blocks.image.0.attn.to_q") is None
    assert names.find("sdxl", "input_blocks.1.0.in_layers.9") is None


def test_comfyui_knows_the_native_names_as_they_are() -> None:
    """The prefixes ComfyUI strips, on names out of the checkpoints of Black Forest Labs (comfy/utils.py)."""
    for name in ("double_blocks.0.img_attn.qkv", "double_blocks.4.txt_mlp.2", "single_blocks.19.linear2", "img_in"):
        place = names.find("flux2-klein", name)
        assert place is not None
        assert place.naming == "native"


CLIP = "text_model.encoder.layers.0.mlp.fc1"
SPELLINGS = [
    ("transformer.transformer_blocks.0.attn.to_q.lora_A.weight", "transformer.", "down"),
    ("diffusion_model.single_blocks.1.linear1.lora_B.weight", "diffusion_model.", "up"),
    ("lora_unet_double_blocks_0_img_attn_qkv.alpha", "lora_unet_", "alpha"),
    ("lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_up.weight", "lora_te2_", "up"),
    (f"text_encoder_2.{CLIP}.lora_A.weight", "text_encoder_2.", "down"),
    ("unet.mid_block.attentions.0.proj_in.lora.down.weight", "unet.", "down"),
    ("unet.up_blocks.1.attn1.processor.to_q_lora.up.weight", "unet.", "up"),
    (f"text_encoder.{CLIP}.lora_linear_layer.up.weight", "text_encoder.", "up"),
    ("base_model.model.img_in.lora_magnitude_vector", "base_model.model.", "magnitude"),
    ("lycoris_transformer_blocks_0_attn_to_q.lokr_w2_a", "lycoris_", "lokr_w2_a"),
    ("x_embedder.lora_A.default.weight", "", "down"),
    ("double_blocks.0.processor.qkv_lora1.down.weight", "", "down"),
]


@pytest.mark.parametrize("name, prefix, role", SPELLINGS, ids=[s[0] for s in SPELLINGS])
def test_parse(name: str, prefix: str, role: str) -> None:
    key = parse(name)
    assert key is not None
    assert (key.prefix, key.role) == (prefix, role)
    assert key.prefix + key.layer + key.suffix == name
    assert "lora" not in key.layer or "processor" in key.layer
    encoder = {"text_encoder.": "text_encoder", "text_encoder_2.": "text_encoder_2", "lora_te2_": "text_encoder_2"}
    assert key.part == encoder.get(prefix, "denoiser")


@pytest.mark.parametrize("name", ["img_in.weight", "alpha", ".alpha", "lora_A.weight", "", "bn.running_mean", "x.bias"])
def test_no_adapter_key(name: str) -> None:
    assert parse(name) is None


def test_language_model() -> None:
    from lora_doctor.adapter.keys import of_language_model

    assert of_language_model("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight")
    assert of_language_model("model.language_model.layers.3.mlp.up_proj.lora_B.weight")
    assert not of_language_model("base_model.model.double_blocks.0.img_attn.qkv.lora_A.weight")
    assert not any(of_language_model(re.sub("#", "0", p.native)) for p in names.pairs("sana"))
