"""Models by their config files: a diffusers pipeline's `model_index.json`, a component's or encoder's `config.json`."""

from __future__ import annotations

from typing import Any

from .families import FAMILIES
from .header import Header
from .tensors import Clue

_PIPELINES = (
    ("Flux2Klein", "flux2-klein"),
    ("Flux2", "flux2-dev"),
    ("Flux3", "flux3"),
    ("Flux", "flux1"),
    ("SanaVideo", "sana-video"),
    ("Sana", "sana"),
    ("StableDiffusionXL", "sdxl"),
    ("StableDiffusion3", "sd3"),
    ("QwenImage", "qwen-image"),
    ("ZImage", "z-image"),
    ("Chroma", "chroma"),
    ("Lumina", "lumina"),
    ("HiDream", "hidream"),
    ("PixArt", "pixart"),
    ("Kolors", "kolors"),
    ("AuraFlow", "auraflow"),
)


def from_configs(header: Header) -> Clue | None:
    """What the configs of a folder say, None where they say nothing."""
    index = header.configs.get("model_index.json")
    if index is not None:
        return _pipeline(index, header.configs)
    config = header.configs.get("config.json")
    return _component(config) if config else None


def _pipeline(index: dict[str, Any], configs: dict[str, dict[str, Any]]) -> Clue:
    name = str(index.get("_class_name", ""))
    denoiser = configs.get("transformer/config.json") or configs.get("unet/config.json") or {}
    inner = _component(denoiser)
    named = next((family for start, family in _PIPELINES if name.startswith(start)), None)
    family = inner.family if inner and inner.family else named
    clue = (inner or Clue())._replace(role="pipeline", family=family, layout="diffusers")
    text = f"model_index.json says {name or 'no class'}"
    if inner and inner.family:
        text += f", {inner.evidence}"
    clue = clue._replace(evidence=text, certainty="certain" if family else "unknown")
    return _pipeline_variant(clue, name, index, configs)


def _pipeline_variant(clue: Clue, name: str, index: dict[str, Any], configs: dict[str, dict[str, Any]]) -> Clue:
    distilled = index.get("is_distilled")
    if clue.family == "flux2-klein" and "KV" in name and distilled is None:
        return clue._replace(variant="distilled", evidence=f"{clue.evidence}; the KV pipeline is distilled")
    if clue.family == "flux2-klein" and isinstance(distilled, bool):
        variant = "distilled" if distilled else "base"
        return clue._replace(variant=variant, evidence=f"{clue.evidence}; is_distilled is {str(distilled).lower()}")
    scheduler = configs.get("scheduler/scheduler_config.json", {})
    if clue.variant is None and scheduler.get("prediction_type") == "v_prediction":
        return clue._replace(variant="v-prediction", evidence=f"{clue.evidence}; its scheduler predicts v")
    return clue


def _component(config: dict[str, Any]) -> Clue | None:
    """A diffusers component by `_class_name`, a transformers model by `model_type`."""
    looks = {
        "Flux2Transformer2DModel": _flux2,
        "FluxTransformer2DModel": _flux1,
        "SanaTransformer2DModel": _sana,
        "SD3Transformer2DModel": _sd3,
        "UNet2DConditionModel": _unet,
        "AutoencoderKLFlux2": _flux2_vae,
        "AutoencoderKL": _kl_vae,
        "AutoencoderDC": _dc_vae,
    }
    name = config.get("_class_name")
    look = looks.get(name) if isinstance(name, str) else None
    if look:
        clue = look(config)._replace(layout="diffusers")
    elif isinstance(config.get("model_type"), str):
        clue = _encoder(config)
    else:
        return None
    return clue._replace(precision=_quantised(config))


def _number(config: dict[str, Any], key: str) -> int:
    value = config.get(key)
    return value if type(value) is int else 0


def _flux2(config: dict[str, Any]) -> Clue:
    width = _number(config, "num_attention_heads") * _number(config, "attention_head_dim")
    context = _number(config, "joint_attention_dim")
    text = f"config of a FLUX.2 transformer of width {width} and text width {context}"
    for family in ("flux2-klein", "flux2-dev"):
        for size in FAMILIES[family].sizes:
            if (width, context) == (size.width, size.context):
                variant = "dev" if family == "flux2-dev" else None
                return Clue("transformer", family, size.name, variant, evidence=text, certainty="certain")
    return Clue("transformer", evidence=text)


def _flux1(config: dict[str, Any]) -> Clue:
    guided = config.get("guidance_embeds")
    full = (_number(config, "num_layers"), _number(config, "num_single_layers")) == (19, 38)
    variant = "schnell" if guided is False else "fill" if _number(config, "in_channels") == 384 else None
    text = f"config of a FLUX.1 transformer with{'' if guided else 'out'} guidance embedding"
    return Clue("transformer", "flux1", None, variant, evidence=text, certainty="certain" if full else "likely")


def _sana(config: dict[str, Any]) -> Clue:
    width = _number(config, "num_attention_heads") * _number(config, "attention_head_dim")
    blocks = _number(config, "num_layers")
    size = next((s for s in FAMILIES["sana"].sizes if (s.width, s.blocks) == (width, (blocks,))), None)
    variant = "sprint" if config.get("guidance_embeds") else "1.5" if config.get("qk_norm") else "1.0"
    text = f"config of a SANA transformer of width {width} and {blocks} blocks"
    sure = "certain" if size else "likely"
    return Clue("transformer", "sana", size.name if size else None, variant, evidence=text, certainty=sure)


def _sd3(config: dict[str, Any]) -> Clue:
    width = _number(config, "num_attention_heads") * _number(config, "attention_head_dim")
    size = {1536: "2.5B" if config.get("dual_attention_layers") else "2B", 2432: "8B"}.get(width)
    text = f"config of an SD3 transformer of width {width}"
    return Clue("transformer", "sd3", size, evidence=text, certainty="certain" if size else "likely")


def _unet(config: dict[str, Any]) -> Clue:
    context = _number(config, "cross_attention_dim")
    known = {768: ("sd15", None), 1024: ("sd2", None), 2048: ("sdxl", None), 1280: ("sdxl", "refiner")}
    family, variant = known.get(context, (None, None))
    if family and _number(config, "in_channels") == 9:
        variant = "inpaint"
    text = f"config of a UNet with a text width of {context}"
    return Clue("transformer", family, None, variant, evidence=text, certainty="certain" if family else "unknown")


def _flux2_vae(config: dict[str, Any]) -> Clue:
    text = f"config of FLUX.2's VAE, {_number(config, 'latent_channels')} latent channels"
    return Clue("vae", vae="flux2", evidence=text, certainty="certain")


# Latent scaling factors tell VAEs of equal shapes apart (diffusers configs of the released models).
_SCALES = {(4, 0.18215): "sd", (4, 0.13025): "sdxl", (16, 0.3611): "flux1", (16, 1.5305): "sd3"}


def _kl_vae(config: dict[str, Any]) -> Clue:
    channels, scale = _number(config, "latent_channels"), config.get("scaling_factor")
    vae = _SCALES.get((channels, scale)) if isinstance(scale, float) else None
    text = f"config of a VAE with {channels} latent channels and scaling factor {scale}"
    return Clue("vae", vae=vae, evidence=text, certainty="certain" if vae else "ambiguous")


def _dc_vae(config: dict[str, Any]) -> Clue:
    return Clue("vae", vae="dc-ae", evidence="config of a DC-AE", certainty="certain")


def _encoder(config: dict[str, Any]) -> Clue:
    """A transformers model; a vision-language model keeps its text sizes in `text_config`."""
    kind = str(config.get("model_type"))
    inner = config.get("text_config")
    text_config = inner if isinstance(inner, dict) else config
    hidden = _number(text_config, "hidden_size") or _number(text_config, "d_model")
    names = {
        "qwen3": {1024: "qwen3-0.6b", 2048: "qwen3-1.7b", 2560: "qwen3-4b", 4096: "qwen3-8b"},
        "qwen3_vl": {2048: "qwen3-vl-2b", 2560: "qwen3-vl-4b", 4096: "qwen3-vl-8b"},
        "gemma2": {2304: "gemma2-2b"},
        "mistral3": {5120: "mistral3"},
        "mistral": {5120: "mistral3"},
        "t5": {4096: "t5-xxl"},
        "umt5": {4096: "umt5-xxl"},
        "clip_text_model": {768: "clip-l", 1024: "clip-h", 1280: "clip-g"},
        "clip": {768: "clip-l", 1024: "clip-h", 1280: "clip-g"},
    }
    known = kind in names
    name = names.get(kind, {}).get(hidden)
    text = f"config of a {kind} model of hidden size {hidden}"
    role = "text_encoder" if known else "unknown"
    return Clue(role, encoder=name, layout="transformers", evidence=text, certainty="certain" if name else "unknown")


def _quantised(config: dict[str, Any]) -> str | None:
    quantisation = config.get("quantization_config")
    if not isinstance(quantisation, dict):
        return None
    method = quantisation.get("quant_method")
    if quantisation.get("load_in_4bit"):
        return str(quantisation.get("bnb_4bit_quant_type") or "nf4")
    if quantisation.get("load_in_8bit"):
        return "int8"
    return "fp8" if method in ("fp8", "fbgemm_fp8") else None
