"""Identity by shapes and configs, from files whose names say nothing."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lora_doctor.models import modules
from lora_doctor.models.header import HeaderError
from lora_doctor.models.identify import ModelIdentity, identify, identify_path

from . import files

# model id: family size variant, as a header alone can tell
KNOWN = {
    "flux2-klein-4b": ("flux2-klein", "4B", None),
    "flux2-klein-9b": ("flux2-klein", "9B", None),
    "flux2-dev": ("flux2-dev", None, "dev"),
    "flux1-dev": ("flux1", None, None),
    "flux1-schnell": ("flux1", None, "schnell"),
    "sana-600m": ("sana", "600M", "1.0"),
    "sana-1.6b": ("sana", "1.6B", "1.0"),
    "sana1.5-1.6b": ("sana", "1.6B", "1.5"),
    "sana1.5-4.8b": ("sana", "4.8B", "1.5"),
    "sana-sprint-600m": ("sana", "600M", "sprint"),
    "sana-sprint-1.6b": ("sana", "1.6B", "sprint"),
    "sdxl": ("sdxl", None, None),
    "sdxl-refiner": ("sdxl", None, "refiner"),
    "sd15": ("sd15", None, None),
    "sd21": ("sd2", None, None),
}
BARE = [(i, n) for i in KNOWN for n in modules.namings(i)]


def _denoiser(model_id: str, naming: str, prefix: str = "") -> dict[str, tuple[int, ...]]:
    shapes = files.denoiser(model_id, naming, prefix)
    if model_id.startswith("sana1.5"):
        norm = "blocks.0.attn.q_norm.weight" if naming == "native" else "transformer_blocks.0.attn1.norm_q.weight"
        shapes[prefix + norm] = (2240,)
    return shapes


def _what(found: ModelIdentity) -> tuple[str | None, str | None, str | None]:
    return found.family, found.size, found.variant


@pytest.mark.parametrize(("model_id", "naming"), BARE)
def test_every_denoiser_in_every_naming(tmp_path: Path, model_id: str, naming: str) -> None:
    found = identify_path(files.write(tmp_path / "x.safetensors", _denoiser(model_id, naming)))
    assert _what(found) == KNOWN[model_id]
    assert (found.role, found.certainty, found.precision) == ("transformer", "certain", "bf16")
    assert found.layout == ("diffusers" if naming == "diffusers" else "native")
    assert found.evidence


@pytest.mark.parametrize("prefix", ["model.diffusion_model.", "diffusion_model."])
@pytest.mark.parametrize("model_id", ["flux2-klein-4b", "flux2-klein-9b", "flux1-dev"])
def test_comfyui_prefixes(tmp_path: Path, prefix: str, model_id: str) -> None:
    found = identify_path(files.write(tmp_path / "x.safetensors", _denoiser(model_id, "native", prefix)))
    assert _what(found) == KNOWN[model_id]
    assert found.role == "transformer"


@pytest.mark.parametrize("model_id", ["sdxl", "sd15", "sd21"])
@pytest.mark.parametrize("marked", [False, True])
def test_whole_checkpoints(tmp_path: Path, model_id: str, marked: bool) -> None:
    shapes = _denoiser(model_id, "sgm", "model.diffusion_model.")
    shapes |= {f"first_stage_model.{n}": s for n, s in files.vae(4).items()}
    if marked:
        shapes |= {"v_pred": (0,), "ztsnr": (0,)}
    found = identify_path(files.write(tmp_path / "x.safetensors", shapes, dtype="F16"))
    assert (found.role, found.family, found.precision) == ("checkpoint", KNOWN[model_id][0], "fp16")
    assert found.variant == ("v-prediction" if marked else None)
    assert ("ztsnr" in found.evidence) == marked


def test_v_prediction_by_metadata(tmp_path: Path) -> None:
    shapes = _denoiser("sdxl", "sgm", "model.diffusion_model.")
    path = files.write(tmp_path / "x.safetensors", shapes, metadata={"modelspec.prediction_type": "v"})
    assert identify_path(path).variant == "v-prediction"


def test_inpainting_unet(tmp_path: Path) -> None:
    shapes = _denoiser("sd15", "sgm") | {"input_blocks.0.0.weight": (320, 9, 3, 3)}
    assert identify_path(files.write(tmp_path / "x.safetensors", shapes)).variant == "inpaint"


def test_a_controlnet_is_no_unet(tmp_path: Path) -> None:
    shapes = {n: s for n, s in _denoiser("sdxl", "diffusers").items() if not n.startswith("up_blocks.")}
    assert identify_path(files.write(tmp_path / "x.safetensors", shapes)).family is None
    shapes = _denoiser("flux1-dev", "diffusers") | {"controlnet_blocks.0.weight": (3072, 3072)}
    assert identify_path(files.write(tmp_path / "x.safetensors", shapes)).role == "unknown"


@pytest.mark.parametrize("model_id", ["flux2-klein-4b", "flux2-klein-9b", "flux2-dev"])
def test_packed_four_bit_weights_leave_the_block_count(tmp_path: Path, model_id: str) -> None:
    shapes: dict[str, tuple[int, ...]] = {n: (math.prod(s) // 2, 1) for n, s in _denoiser(model_id, "native").items()}
    shapes["img_in.weight.quant_state.bitsandbytes__nf4"] = (64,)
    found = identify_path(files.write(tmp_path / "x.safetensors", shapes, dtype="U8"))
    assert (found.family, found.size) == KNOWN[model_id][:2]
    assert (found.certainty, found.precision) == ("likely", "nf4")


def test_pruned_sdxl_is_no_sdxl(tmp_path: Path) -> None:
    shapes = {n: s for n, s in _denoiser("sdxl", "diffusers").items() if ".transformer_blocks.9." not in n}
    found = identify_path(files.write(tmp_path / "x.safetensors", shapes))
    assert (found.family, found.certainty) == ("ssd-1b", "likely")


def test_half_a_klein_is_only_likely(tmp_path: Path) -> None:
    shapes = {n: s for n, s in _denoiser("flux2-klein-4b", "native").items() if "single_blocks.7." not in n}
    found = identify_path(files.write(tmp_path / "x.safetensors", shapes))
    assert (found.size, found.certainty) == ("4B", "likely")
    assert "19 blocks instead of 5+20" in found.evidence


def test_contradicting_widths_are_ambiguous(tmp_path: Path) -> None:
    shapes = _denoiser("flux2-klein-4b", "native") | {"txt_in.weight": (3072, 12288)}
    found = identify_path(files.write(tmp_path / "x.safetensors", shapes))
    assert (found.family, found.size, found.certainty) == ("flux2-klein", None, "ambiguous")


def test_unknown_widths_are_unknown(tmp_path: Path) -> None:
    shapes = {"double_stream_modulation_img.lin.weight": (384, 64), "img_in.weight": (64, 128)}
    found = identify_path(files.write(tmp_path / "x.safetensors", shapes))
    assert (found.family, found.certainty) == (None, "unknown")
    assert "width 64" in found.evidence


@pytest.mark.parametrize(
    ("mark", "family"),
    [("mode_blocks.image.0.attn.qkv.weight", "flux3"), ("distilled_guidance_layer.in_proj.weight", "chroma")],
)
def test_relatives_of_flux(tmp_path: Path, mark: str, family: str) -> None:
    shapes = _denoiser("flux1-dev", "native") | {mark: (64, 64)}
    assert identify_path(files.write(tmp_path / "x.safetensors", shapes)).family == family


ENCODERS: list[tuple[dict[str, tuple[int, ...]], str | None]] = [
    (files.qwen3(2560), "qwen3-4b"),
    (files.qwen3(4096), "qwen3-8b"),
    (files.qwen3(4096, prefix=""), "qwen3-8b"),
    (files.qwen3(1024), "qwen3-0.6b"),
    (files.qwen3(777), None),
    (files.qwen3(4096, prefix="model.language_model.") | {"model.visual.x.weight": (1,)}, "qwen3-vl-8b"),
    ({"model.embed_tokens.weight": (152_064, 3584), "model.layers.0.self_attn.q_proj.bias": (1,)}, None),
    (
        {"model.embed_tokens.weight": (256_000, 2304), "model.layers.0.post_feedforward_layernorm.weight": (2304,)},
        "gemma2-2b",
    ),
    (
        {"language_model.model.embed_tokens.weight": (131_072, 5120), "language_model.model.layers.0.a": (1,)},
        "mistral3",
    ),
    (
        {"encoder.block.0.layer.0.SelfAttention.q.weight": (4096, 4096), "shared.weight": (32_128, 4096)},
        "t5-xxl",
    ),
    (
        {"encoder.block.0.layer.0.SelfAttention.q.weight": (4096, 4096), "shared.weight": (256_384, 4096)},
        "umt5-xxl",
    ),
    ({"text_model.embeddings.token_embedding.weight": (49_408, 768)}, "clip-l"),
    ({"text_model.embeddings.token_embedding.weight": (49_408, 1280)}, "clip-g"),
    ({"embeddings.token_embedding.weight": (49_408, 768)}, "clip-l"),
]


@pytest.mark.parametrize(("shapes", "encoder"), ENCODERS, ids=lambda v: str(v)[:40])
def test_text_encoders(tmp_path: Path, shapes: dict[str, tuple[int, ...]], encoder: str | None) -> None:
    found = identify_path(files.write(tmp_path / "x.safetensors", shapes))
    assert (found.role, found.encoder, found.family) == ("text_encoder", encoder, None)
    assert found.certainty == ("certain" if encoder else "unknown")


def test_text_encoder_in_shards(tmp_path: Path) -> None:
    shapes = files.qwen3(4096, layers=4)
    names = sorted(shapes)
    weight_map: dict[str, str] = {}
    for n, part in enumerate((names[:4], names[4:]), start=1):
        shard = f"model-0000{n}-of-00002.safetensors"
        files.write(tmp_path / "te" / shard, {k: shapes[k] for k in part})
        weight_map |= dict.fromkeys(part, shard)
    files.write_json(tmp_path / "te/model.safetensors.index.json", {"weight_map": weight_map})
    assert identify_path(tmp_path / "te").encoder == "qwen3-8b"
    assert identify_path(tmp_path / "te/model.safetensors.index.json").encoder == "qwen3-8b"
    (tmp_path / "te/model-00002-of-00002.safetensors").unlink()
    found = identify_path(tmp_path / "te")
    assert found.problem == "1 of its shards are missing, e.g. model-00002-of-00002.safetensors"


@pytest.mark.parametrize("layout", ["native", "diffusers"])
@pytest.mark.parametrize(
    ("channels", "vae", "certainty"), [(32, "flux2", "certain"), (16, "flux1", "likely"), (4, None, "ambiguous")]
)
def test_vaes(tmp_path: Path, layout: str, channels: int, vae: str | None, certainty: str) -> None:
    found = identify_path(files.write(tmp_path / "x.safetensors", files.vae(channels, layout)))
    assert (found.role, found.vae, found.certainty, found.layout) == ("vae", vae, certainty, layout)


def test_dc_ae(tmp_path: Path) -> None:
    name = "encoder.down_blocks.3.0.attn.to_qkv_multiscale.0.proj_in.weight"
    shapes = {name: (8, 1, 5, 5), "decoder.conv_in.weight": (1024, 32, 3, 3), "decoder.up_blocks.0.x": (1,)}
    assert identify_path(files.write(tmp_path / "x.safetensors", shapes)).vae == "dc-ae"


def test_loras_are_told_from_models(tmp_path: Path) -> None:
    shapes = {"diffusion_model.double_blocks.0.img_attn.qkv.lora_A.weight": (16, 3072)}
    path = files.write(tmp_path / "my_klein_9b_lora.safetensors", shapes)
    assert identify_path(path).role == "lora"
    assert _what(identify(str(path))) == ("flux2-klein", "9B", None)


def _quantised(kind: str) -> tuple[dict[str, tuple[int, ...]], str, dict[str, str]]:
    shapes = _denoiser("flux2-klein-4b", "native")
    first = "double_blocks.0.img_attn.qkv"
    marks: dict[str, dict[str, tuple[int, ...]]] = {
        "fp8": {},
        "fp8_scaled": {f"{first}.weight_scale": ()},
        "fp8mixed": {f"{first}.comfy_quant": (64,), f"{first}.weight_scale": ()},
        "int8": {},
        "nf4": {f"{first}.weight.quant_state.bitsandbytes__nf4": (10,)},
        "nvfp4": {f"{first}.weight_scale_2": (), f"{first}.weight_scale": (1, 1)},
    }
    extra = marks[kind]
    dtype = {"int8": "I8", "nf4": "U8", "nvfp4": "U8"}.get(kind, "F8_E4M3")
    kept: dict[str, str] = {"img_in.weight": "BF16", **dict.fromkeys(extra, "F32"), f"{first}.comfy_quant": "U8"}
    return shapes | extra, dtype, kept


@pytest.mark.parametrize("kind", ["fp8", "fp8_scaled", "fp8mixed", "int8", "nf4", "nvfp4"])
def test_precisions(tmp_path: Path, kind: str) -> None:
    shapes, dtype, dtypes = _quantised(kind)
    found = identify_path(files.write(tmp_path / "x.safetensors", shapes, dtype=dtype, dtypes=dtypes))
    assert (found.family, found.size, found.precision) == ("flux2-klein", "4B", kind)


def _klein_folder(folder: Path, heads: int, context: int, distilled: bool | None) -> Path:
    index: dict[str, Any] = {"_class_name": "Flux2KleinPipeline"}
    if distilled is not None:
        index["is_distilled"] = distilled
    files.write_json(folder / "model_index.json", index)
    config = {
        "_class_name": "Flux2Transformer2DModel", "num_attention_heads": heads, "attention_head_dim": 128,
        "joint_attention_dim": context,
    }  # fmt: skip
    files.write_json(folder / "transformer/config.json", config)
    return folder


@pytest.mark.parametrize(("distilled", "variant"), [(True, "distilled"), (False, "base"), (None, None)])
@pytest.mark.parametrize(("heads", "context", "size"), [(24, 7680, "4B"), (32, 12288, "9B")])
def test_klein_folders(
    tmp_path: Path, distilled: bool | None, variant: str | None, heads: int, context: int, size: str
) -> None:
    found = identify_path(_klein_folder(tmp_path / "m", heads, context, distilled))
    assert (found.role, *_what(found)) == ("pipeline", "flux2-klein", size, variant)
    assert found.certainty == "certain"


def test_a_folder_named_like_the_base_may_hold_the_distilled(tmp_path: Path) -> None:
    folder = _klein_folder(tmp_path / "FLUX.2-klein-base-4B", 24, 7680, True)
    assert identify(str(folder)).variant == "distilled"


CONFIGS: list[tuple[dict[str, Any], str, str | None]] = [
    ({"model_type": "qwen3", "hidden_size": 2560}, "encoder", "qwen3-4b"),
    ({"model_type": "qwen3", "hidden_size": 4096}, "encoder", "qwen3-8b"),
    ({"model_type": "mistral3", "text_config": {"hidden_size": 5120}}, "encoder", "mistral3"),
    ({"model_type": "gemma2", "hidden_size": 2304}, "encoder", "gemma2-2b"),
    ({"model_type": "t5", "d_model": 4096}, "encoder", "t5-xxl"),
    ({"model_type": "clip_text_model", "hidden_size": 768}, "encoder", "clip-l"),
    ({"model_type": "llama", "hidden_size": 4096}, "encoder", None),
    ({"_class_name": "AutoencoderKLFlux2", "latent_channels": 32}, "vae", "flux2"),
    ({"_class_name": "AutoencoderKL", "latent_channels": 16, "scaling_factor": 0.3611}, "vae", "flux1"),
    ({"_class_name": "AutoencoderKL", "latent_channels": 4, "scaling_factor": 0.13025}, "vae", "sdxl"),
    ({"_class_name": "AutoencoderKL", "latent_channels": 4, "scaling_factor": 0.18215}, "vae", "sd"),
    ({"_class_name": "AutoencoderKL", "latent_channels": 4}, "vae", None),
    ({"_class_name": "AutoencoderDC"}, "vae", "dc-ae"),
    (
        {
            "_class_name": "SanaTransformer2DModel",
            "num_attention_heads": 70,
            "attention_head_dim": 32,
            "num_layers": 60,
        },
        "size",
        "4.8B",
    ),
    ({"_class_name": "FluxTransformer2DModel", "num_layers": 19, "guidance_embeds": False}, "variant", "schnell"),
    ({"_class_name": "UNet2DConditionModel", "cross_attention_dim": 2048}, "family", "sdxl"),
    ({"_class_name": ["odd"], "model_type": 3}, "family", None),
]


@pytest.mark.parametrize(("config", "field", "value"), CONFIGS, ids=lambda v: str(v)[:50])
def test_component_folders(tmp_path: Path, config: dict[str, Any], field: str, value: str | None) -> None:
    files.write_json(tmp_path / "config.json", config)
    assert getattr(identify_path(tmp_path), field) == value


def test_v_prediction_scheduler(tmp_path: Path) -> None:
    files.write_json(tmp_path / "model_index.json", {"_class_name": "StableDiffusionXLPipeline"})
    files.write_json(tmp_path / "scheduler/scheduler_config.json", {"prediction_type": "v_prediction"})
    found = identify_path(tmp_path)
    assert (found.role, found.family, found.variant) == ("pipeline", "sdxl", "v-prediction")


def test_the_name_tells_what_the_header_cannot(tmp_path: Path) -> None:
    path = files.write(tmp_path / "flux-2-klein-4b.safetensors", _denoiser("flux2-klein-4b", "native"))
    found = identify("flux-2-klein-4b.safetensors", tmp_path)
    assert (*_what(found), found.certainty, found.problem) == ("flux2-klein", "4B", "distilled", "certain", None)
    assert "distilled by its name only" in found.evidence
    assert identify_path(path).variant is None


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("flux-2-klein-base-9b.safetensors", "its name says FLUX.2 Klein 9B, its contents are FLUX.2 Klein 4B"),
        ("flux1-dev.safetensors", "its name says flux1, its contents are flux2-klein"),
    ],
)
def test_a_name_that_lies(tmp_path: Path, name: str, says: str) -> None:
    files.write(tmp_path / name, _denoiser("flux2-klein-4b", "native"))
    found = identify(name, tmp_path)
    assert (found.family, found.size, found.variant, found.problem) == ("flux2-klein", "4B", None, says)


def test_an_encoder_whose_name_lies(tmp_path: Path) -> None:
    files.write(tmp_path / "qwen_3_8b.safetensors", files.qwen3(2560))
    found = identify("qwen_3_8b.safetensors", tmp_path)
    assert (found.encoder, found.problem) == ("qwen3-4b", "its name says qwen3-8b, its contents are qwen3-4b")


def test_a_denoiser_named_like_an_encoder(tmp_path: Path) -> None:
    files.write(tmp_path / "qwen_3_8b.safetensors", _denoiser("flux2-klein-4b", "native"))
    assert (
        identify("qwen_3_8b.safetensors", tmp_path).problem == "its name says qwen3-8b, its contents are a transformer"
    )


def test_names_of_families_that_share_an_architecture_are_no_lie(tmp_path: Path) -> None:
    files.write(tmp_path / "playground-v2.5.safetensors", _denoiser("sdxl", "sgm"))
    found = identify("playground-v2.5.safetensors", tmp_path)
    assert (found.family, found.problem) == ("sdxl", None)


def test_sdxl_vae_by_name_where_shapes_are_equal(tmp_path: Path) -> None:
    files.write(tmp_path / "sdxl_vae.safetensors", files.vae(4))
    found = identify("sdxl_vae.safetensors", tmp_path)
    assert (found.vae, found.certainty) == ("sdxl", "likely")


def test_a_broken_file_is_named_and_its_trouble_told(tmp_path: Path) -> None:
    (tmp_path / "flux-2-klein-base-9b.safetensors").write_bytes(b"<html>login</html>")
    found = identify("flux-2-klein-base-9b.safetensors", tmp_path)
    assert (*_what(found), found.certainty) == ("flux2-klein", "9B", "base", "likely")
    assert "web page" in (found.problem or "")
    with pytest.raises(HeaderError):
        identify_path(tmp_path / "flux-2-klein-base-9b.safetensors")


def test_gguf_goes_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "flux-2-klein-9b-Q4_K_M.gguf").write_bytes(b"GGUF" + bytes(40))
    found = identify("flux-2-klein-9b-Q4_K_M.gguf", tmp_path)
    assert (found.size, found.precision, found.problem) == ("9B", "gguf", None)


def test_what_does_not_exist_goes_by_its_name(tmp_path: Path) -> None:
    found = identify("black-forest-labs/FLUX.2-klein-base-9B", tmp_path)
    assert (*_what(found), found.certainty) == ("flux2-klein", "9B", "base", "likely")
    assert identify("", tmp_path) == ModelIdentity(evidence="its name says nothing")
    assert identify("\0", tmp_path).family is None
    assert identify("x" * 5000, tmp_path).certainty == "unknown"


def test_names_alone_load_no_readers() -> None:
    """Cold start of the lint: nothing that reads files is imported until a file is there."""
    code = (
        "import sys, lora_doctor.models.identify as i; i.identify('black-forest-labs/FLUX.2-klein-base-9B');"
        "print(*sorted(m for m in sys.modules if m.startswith('lora_doctor.models.')))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert [m.rsplit(".")[-1] for m in out] == ["identify", "names", "vocabulary"]


_NAMES = [n for i, s in BARE for n in _denoiser(i, s)] + [n for e, _ in ENCODERS for n in e] + [*files.vae(32)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=120)
@given(st.dictionaries(st.sampled_from(_NAMES), st.lists(st.integers(0, 9), max_size=4).map(tuple), max_size=8))
def test_known_names_with_odd_shapes_never_raise(tmp_path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    found = identify(str(files.write(tmp_path / "x.safetensors", shapes)))
    assert found.certainty in ("certain", "likely", "ambiguous", "unknown")
    assert found.evidence


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=120)
@given(st.sampled_from([c for c, _, _ in CONFIGS]), st.data())
def test_odd_configs_never_raise(tmp_path: Path, config: dict[str, Any], data: st.DataObject) -> None:
    odd = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=3)
        | st.lists(st.integers(), max_size=2)
    )
    changed = dict(config)
    for key in data.draw(st.lists(st.sampled_from(sorted(config)), max_size=3)):
        changed[key] = data.draw(odd)
    files.write_json(tmp_path / "config.json", changed)
    assert isinstance(identify(str(tmp_path)), ModelIdentity)
