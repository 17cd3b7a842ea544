"""Text encoders and VAEs by their tensors."""

from __future__ import annotations

from .families import ENCODERS
from .tensors import Clue, Tensors

_LANGUAGE_PREFIXES = ("model.language_model.", "language_model.model.", "language_model.", "model.", "text_model.", "")


def encoder_clue(tensors: Tensors) -> Clue | None:
    """A text encoder: language models by vocabulary and hidden width, T5, CLIP."""
    return _language_model(tensors) or _t5(tensors) or _clip(tensors)


def _language_model(tensors: Tensors) -> Clue | None:
    for prefix in _LANGUAGE_PREFIXES:
        embedding = tensors.shape(f"{prefix}embed_tokens.weight")
        if embedding and len(embedding) == 2 and tensors.has(f"{prefix}layers.0."):
            return _by_vocabulary(tensors, prefix, embedding[0], embedding[1])
    return None


def _by_vocabulary(tensors: Tensors, prefix: str, vocabulary: int, hidden: int) -> Clue:
    """`hidden` is the width of the token embedding; Qwen3 normalises queries, Qwen2.5 does not."""
    text = f"{prefix}embed_tokens.weight is {vocabulary} x {hidden}"
    clue = Clue("text_encoder", layout="transformers", evidence=text)
    normed = tensors.has(f"{prefix}layers.0.self_attn.q_norm.")
    sees = tensors.has("visual.", "model.visual.", "vision_tower.", "model.vision_tower.")
    if 151_000 < vocabulary < 152_500 and normed:
        names = {e.hidden: n for n, e in ENCODERS.items() if n.startswith("qwen3-")}
        name = names.get(hidden)
        if sees and name:
            name = name.replace("qwen3-", "qwen3-vl-")
        return clue._replace(encoder=name, evidence=f"{text}, with Qwen3's query norm", certainty=_sure(name))
    if 256_000 <= vocabulary <= 256_128 and tensors.has(f"{prefix}layers.0.post_feedforward_layernorm.") and not normed:
        name = "gemma2-2b" if hidden == 2304 else None
        return clue._replace(encoder=name, evidence=f"{text}, with Gemma 2's norms", certainty=_sure(name))
    if vocabulary == 131_072 and hidden == ENCODERS["mistral3"].hidden:
        layers = tensors.count(f"{prefix}layers.")
        return clue._replace(encoder="mistral3", evidence=f"{text}, {layers} layers", certainty="certain")
    return clue


def _sure(name: str | None) -> str:
    return "certain" if name else "unknown"


def _t5(tensors: Tensors) -> Clue | None:
    query = tensors.shape("encoder.block.0.layer.0.SelfAttention.q.weight")
    if query is None:
        return None
    shared = tensors.shape("shared.weight", "encoder.embed_tokens.weight")
    wide = query == (4096, 4096)
    name = ("umt5-xxl" if shared and shared[0] > 100_000 else "t5-xxl") if wide else None
    text = f"T5 encoder of width {query[-1] if query else 0}"
    return Clue("text_encoder", encoder=name, layout="transformers", evidence=text, certainty=_sure(name))


_CLIP_WIDTHS = {768: "clip-l", 1024: "clip-h", 1280: "clip-g"}


def _clip(tensors: Tensors) -> Clue | None:
    """CLIP text models, transformers or OpenCLIP names. transformers 5 dropped the `text_model.` level."""
    names = (
        "text_model.embeddings.token_embedding.weight",
        "embeddings.token_embedding.weight",
        "token_embedding.weight",
        "model.token_embedding.weight",
    )
    name = next((n for n in names if n in tensors.shapes), None)
    if name is None or len(tensors.shapes[name]) != 2:
        return None
    vocabulary, hidden = tensors.shapes[name]
    encoder = _CLIP_WIDTHS.get(hidden) if vocabulary == 49_408 else None
    layout = "transformers" if "embeddings." in name else "native"
    text = f"{name} is {vocabulary} x {hidden}"
    return Clue("text_encoder", encoder=encoder, layout=layout, evidence=text, certainty=_sure(encoder))


def vae_clue(tensors: Tensors) -> Clue | None:
    """A VAE by its latent channels. Those of SD and SDXL have equal shapes, those of FLUX.1 and SD3 too."""
    if any("to_qkv_multiscale" in n or ".context_module.main.qkv." in n for n in tensors.shapes):
        layout = "diffusers" if tensors.has("decoder.up_blocks.") else "native"
        return Clue("vae", vae="dc-ae", layout=layout, evidence="has DC-AE's linear attention", certainty="certain")
    entry = tensors.shape(
        "decoder.conv_in.weight", "vae.decoder.conv_in.weight", "first_stage_model.decoder.conv_in.weight"
    )
    if entry is None or len(entry) != 4:
        return None
    layout = "diffusers" if tensors.has("decoder.up_blocks.") else "native"
    clue = Clue("vae", layout=layout, evidence=f"decoder.conv_in.weight takes {entry[1]} latent channels")
    if tensors.shape("bn.running_mean") and entry[1] == 32:
        return clue._replace(vae="flux2", evidence=f"{clue.evidence}, with batch-norm statistics", certainty="certain")
    if entry[1] == 16:
        return clue._replace(vae="flux1", evidence=f"{clue.evidence}, as those of FLUX.1 and SD3", certainty="likely")
    if entry[1] == 4:
        return clue._replace(evidence=f"{clue.evidence}, as those of SD and SDXL", certainty="ambiguous")
    return clue
