"""Denoisers by their tensors: FLUX.2, FLUX.1, SANA, the UNets of Stable Diffusion, SD3; in native or diffusers names.

Shapes and names: the models of diffusers 0.42.1 built on the meta device, and the original repositories' modules as
ComfyUI's model_detection.py tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable

from .families import FAMILIES, Size
from .tensors import Clue, Tensors


def denoiser_clue(tensors: Tensors, metadata: dict[str, str]) -> Clue | None:
    """The first denoiser that fits; a checkpoint where VAE or text encoders stand beside it."""
    if tensors.has("controlnet_", "control_model.", "input_hint_block."):
        return Clue(evidence="has a ControlNet's tensors")
    for look in (_other, _flux2, _flux1, _sana, _sd3):
        found = look(tensors)
        if found:
            return _in_checkpoint(found, tensors)
    found = _unet(tensors, metadata)
    return _in_checkpoint(found, tensors) if found else None


def _in_checkpoint(found: Clue, tensors: Tensors) -> Clue:
    return found._replace(role="checkpoint") if tensors.wrapped and tensors.parts else found


def _other(tensors: Tensors) -> Clue | None:
    """Models that share names with the described ones."""
    marks = (
        ("mode_blocks.image.", "flux3"),
        ("distilled_guidance_layer.", "chroma"),
        ("encoder_hid_proj.", "kolors"),
        ("img_in.proj.", "hunyuan"),
    )
    for start, family in marks:
        if tensors.has(start):
            return Clue("transformer", family, evidence=f"has tensors {start}*", certainty="likely")
    return None


def _flux2(tensors: Tensors) -> Clue | None:
    """FLUX.2 shares three modulation layers between all blocks; its width tells the size."""
    native = tensors.shape("double_stream_modulation_img.lin.weight") is not None
    if not native and tensors.shape("double_stream_modulation_img.linear.weight") is None:
        return None
    clue = Clue("transformer", layout="native" if native else "diffusers")
    entry = tensors.shape("img_in.weight", "x_embedder.weight")
    context = tensors.shape("txt_in.weight", "context_embedder.weight")
    double, single = (
        ("double_blocks.", "single_blocks.") if native else ("transformer_blocks.", "single_transformer_blocks.")
    )
    blocks = (tensors.count(double), tensors.count(single))
    # bitsandbytes packs a 4-bit matrix into one column; then only the block count is left
    packed = entry is None or entry[-1] == 1
    for family in ("flux2-klein", "flux2-dev"):
        for size in FAMILIES[family].sizes:
            if entry and entry[0] == size.width:
                return _flux2_size(clue, family, size, context, blocks)
            if packed and blocks == size.blocks:
                text = f"FLUX.2's shared modulation, {blocks[0]} double and {blocks[1]} single blocks"
                return clue._replace(family=family, size=size.name, evidence=text, certainty="likely")
    width = f"width {entry[0]}" if entry else "no input layer"
    return clue._replace(evidence=f"has FLUX.2's shared modulation, but {width} is none of 3072, 4096, 6144")


def _flux2_size(clue: Clue, family: str, size: Size, context: tuple[int, ...] | None, blocks: tuple[int, int]) -> Clue:
    found = clue._replace(family=family, size=size.name, variant="dev" if family == "flux2-dev" else None)
    shapes = f"FLUX.2's shared modulation and width {size.width}"
    if context and context[-1] != size.context:
        text = f"{shapes}, but text width {context[-1]} instead of {size.context}"
        return found._replace(size=None, evidence=text, certainty="ambiguous")
    if blocks != size.blocks:
        text = f"{shapes}, but {blocks[0]}+{blocks[1]} blocks instead of {size.blocks[0]}+{size.blocks[1]}"
        return found._replace(evidence=text, certainty="likely")
    text = f"{shapes}, {blocks[0]} double and {blocks[1]} single blocks"
    if family == "flux2-klein":
        text += "; base and distilled have equal shapes"
    return found._replace(evidence=text, certainty="certain")


# Input channels of the FLUX.1 tools: latent 64, plus the masked image and mask (fill), plus a control image.
_FLUX1_INPUTS = {384: "fill", 128: None}


def _flux1(tensors: Tensors) -> Clue | None:
    native = tensors.shape("double_blocks.0.img_mod.lin.weight", "single_blocks.0.modulation.lin.weight")
    split = tensors.shape("single_transformer_blocks.0.proj_mlp.weight")
    if native is None and split is None:
        return None
    entry = tensors.shape("img_in.weight", "x_embedder.weight")
    if entry and entry[0] != 3072:
        return Clue("transformer", evidence=f"has FLUX.1's names, but width {entry[0]} instead of 3072")
    double, single = (
        ("double_blocks.", "single_blocks.") if native else ("transformer_blocks.", "single_transformer_blocks.")
    )
    blocks = (tensors.count(double), tensors.count(single))
    guided = tensors.has("guidance_in.", "time_text_embed.guidance_embedder.")
    channels = entry[-1] if entry else 64
    variant = _FLUX1_INPUTS.get(channels) if guided else "schnell"
    text = f"FLUX.1's names, {blocks[0]} double and {blocks[1]} single blocks, "
    text += "a guidance embedding (dev, Kontext and Krea are alike)" if guided else "no guidance embedding"
    clue = Clue("transformer", "flux1", None, variant, layout="native" if native else "diffusers", evidence=text)
    return clue._replace(certainty="certain" if blocks == FAMILIES["flux1"].sizes[0].blocks else "likely")


def _sana(tensors: Tensors) -> Clue | None:
    """SANA's feed-forward is a convolution; the block count tells the size."""
    native = tensors.shape("blocks.0.mlp.inverted_conv.conv.weight")
    split = tensors.shape("transformer_blocks.0.ff.conv_inverted.weight")
    first = native or split
    if first is None or len(first) < 2:
        return None
    layout = "native" if native else "diffusers"
    if tensors.has("blocks.0.mlp.t_conv.", "transformer_blocks.0.ff.conv_temp."):
        return Clue(
            "transformer",
            "sana-video",
            layout=layout,
            evidence="SANA's names with a temporal convolution",
            certainty="likely",
        )
    blocks = tensors.count("blocks." if native else "transformer_blocks.")
    text = f"SANA's convolutional feed-forward, width {first[1]}, {blocks} blocks"
    size = next((s for s in FAMILIES["sana"].sizes if (s.width, s.blocks) == (first[1], (blocks,))), None)
    clue = Clue(
        "transformer", "sana", size.name if size else None, _sana_variant(tensors), layout=layout, evidence=text
    )
    return clue._replace(certainty="certain" if size else "likely")


def _sana_variant(tensors: Tensors) -> str:
    if tensors.has("cfg_embedder.", "time_embed.guidance_embedder."):
        return "sprint"
    normed = tensors.has("blocks.0.attn.q_norm.", "transformer_blocks.0.attn1.norm_q.")
    return "1.5" if normed else "1.0"


def _sd3(tensors: Tensors) -> Clue | None:
    native = tensors.shape("joint_blocks.0.context_block.attn.qkv.weight")
    split = tensors.shape("pos_embed.proj.weight") if tensors.has("transformer_blocks.0.attn.add_q_proj.") else None
    entry = tensors.shape("x_embedder.proj.weight") if native else split
    if entry is None:
        return None
    dual = tensors.has("joint_blocks.0.x_block.attn2.", "transformer_blocks.0.attn2.")
    size = {1536: "2.5B" if dual else "2B", 2432: "8B"}.get(entry[0])
    layout = "native" if native else "diffusers"
    text = f"SD3's joint blocks, width {entry[0]}"
    return Clue("transformer", "sd3", size, layout=layout, evidence=text, certainty="certain" if size else "likely")


_CONTEXTS: dict[int, tuple[str, str | None]] = {
    768: ("sd15", None), 1024: ("sd2", None), 2048: ("sdxl", None), 1280: ("sdxl", "refiner"),
}  # fmt: skip
# In the full SDXL the deepest attention has ten transformer layers; SSD-1B and Vega have fewer.
_SDXL_DEEPEST = (
    "input_blocks.8.1.transformer_blocks.9.attn2.to_k.weight",
    "down_blocks.2.attentions.1.transformer_blocks.9.attn2.to_k.weight",
)


def _unet(tensors: Tensors, metadata: dict[str, str]) -> Clue | None:
    """UNets by the text width their cross-attention takes in."""
    entry = tensors.shape("input_blocks.0.0.weight", "conv_in.weight")
    native = "input_blocks.0.0.weight" in tensors.shapes
    starts = ("input_blocks.", "middle_block.") if native else ("down_blocks.", "mid_block.")
    keys = (n for n in tensors.shapes if n.endswith(".attn2.to_k.weight") and n.startswith(starts))
    key = next(keys, None)
    if entry is None or key is None or not tensors.has("output_blocks.", "up_blocks."):
        return None  # an encoder half alone is a ControlNet or an adapter
    context = tensors.shapes[key][-1] if tensors.shapes[key] else 0
    family, variant = _CONTEXTS.get(context, (None, None))
    clue = Clue("transformer", family, None, variant, layout="native" if native else "diffusers")
    text = f"UNet whose cross-attention takes a text width of {context} ({key})"
    if family is None:
        return clue._replace(evidence=text)
    if context == 2048 and tensors.shape(*_SDXL_DEEPEST) is None:
        return clue._replace(family="ssd-1b", evidence=f"{text}, with fewer blocks than SDXL", certainty="likely")
    clue = _prediction(clue._replace(evidence=text, certainty="certain"), tensors, metadata)
    channels = entry[1] if len(entry) > 1 else 4
    if channels == 9:
        return clue._replace(variant="inpaint", evidence=f"{clue.evidence}, with {channels} input channels")
    return clue


def _prediction(clue: Clue, tensors: Tensors, metadata: dict[str, str]) -> Clue:
    """v-prediction, where a marker tensor or the modelspec metadata says so; their absence says nothing."""
    marks: tuple[tuple[Callable[[], bool], str, str], ...] = (
        (lambda: "v_pred" in tensors.shapes, "v-prediction", "a v_pred tensor"),
        (lambda: "edm_vpred.sigma_max" in tensors.shapes, "v-prediction", "an edm_vpred tensor"),
        (
            lambda: metadata.get("modelspec.prediction_type") in ("v", "v_prediction"),
            "v-prediction",
            "its modelspec metadata",
        ),
    )
    for applies, variant, what in marks:
        if applies():
            zero = " and ztsnr (zero terminal SNR)" if "ztsnr" in tensors.shapes else ""
            return clue._replace(variant=variant, evidence=f"{clue.evidence}; {variant} by {what}{zero}")
    return clue
