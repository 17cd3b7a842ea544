"""What one layer is called in each naming, and which rows of a fused layer belong to which split one.

"diffusers" names stand against "native" ones (Black Forest Labs, NVIDIA) or "sgm" ones (the UNets of Stability AI).
A fused native layer (q, k and v in one matrix) is several diffusers layers. Sources: diffusers 0.42.1
scripts/convert_flux2_to_diffusers.py, convert_flux_to_diffusers.py, convert_sana_to_diffusers.py; ComfyUI
comfy/utils.py (flux_to_diffusers, unet_to_diffusers). A test holds them against the tables of `models/modules.json`.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import NamedTuple

from lora_doctor.adapter.kept import Kept
from lora_doctor.adapter.keys import flatten, plain


class Pair(NamedTuple):
    """One native layer and the diffusers layers that make it up, in the order of their rows.

    swapped: the two halves of the rows change places (Black Forest Labs keep shift before scale, diffusers scale
    before shift).
    """

    native: str
    parts: tuple[str, ...]
    swapped: bool = False

    def numbered(self, numbers: tuple[str, ...]) -> Pair:
        """The pair with its block number written in."""
        if not numbers:
            return self
        native = self.native.replace("#", numbers[0])
        return Pair(native, tuple(p.replace("#", numbers[0]) for p in self.parts), self.swapped)


def _attention(native: str, block: str, names: tuple[str, ...]) -> Pair:
    return Pair(native, tuple(f"{block}.{n}" for n in names))


_DOUBLE, _SINGLE = "transformer_blocks.#", "single_transformer_blocks.#"
_IMAGE_QKV = ("attn.to_q", "attn.to_k", "attn.to_v")
_TEXT_QKV = ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj")
_FLUX_ATTENTION = (
    _attention("double_blocks.#.img_attn.qkv", _DOUBLE, _IMAGE_QKV),
    _attention("double_blocks.#.txt_attn.qkv", _DOUBLE, _TEXT_QKV),
    Pair("double_blocks.#.img_attn.proj", (f"{_DOUBLE}.attn.to_out.0",)),
    Pair("double_blocks.#.txt_attn.proj", (f"{_DOUBLE}.attn.to_add_out",)),
)
_FLUX_ENDS = (
    Pair("img_in", ("x_embedder",)),
    Pair("txt_in", ("context_embedder",)),
    Pair("final_layer.linear", ("proj_out",)),
    Pair("final_layer.adaLN_modulation.1", ("norm_out.linear",), swapped=True),
)


def _embedders(stem: str, *rows: tuple[str, str]) -> tuple[Pair, ...]:
    layers = (("in_layer", "linear_1"), ("out_layer", "linear_2"))
    return tuple(Pair(f"{native}.{a}", (f"{stem}.{split}.{b}",)) for native, split in rows for a, b in layers)


_FLUX2 = (
    *_FLUX_ATTENTION,
    *(
        Pair(f"double_blocks.#.{native}.{n}", (f"{_DOUBLE}.{split}.{name}",))
        for native, split in (("img_mlp", "ff"), ("txt_mlp", "ff_context"))
        for n, name in ((0, "linear_in"), (2, "linear_out"))
    ),
    Pair("single_blocks.#.linear1", (f"{_SINGLE}.attn.to_qkv_mlp_proj",)),
    Pair("single_blocks.#.linear2", (f"{_SINGLE}.attn.to_out",)),
    *(
        Pair(f"{name}.lin", (f"{name}.linear",))
        for name in ("double_stream_modulation_img", "double_stream_modulation_txt", "single_stream_modulation")
    ),
    *_embedders("time_guidance_embed", ("time_in", "timestep_embedder"), ("guidance_in", "guidance_embedder")),
    *_FLUX_ENDS,
)
_FLUX1 = (
    *_FLUX_ATTENTION,
    *(
        Pair(f"double_blocks.#.{native}.{n}", (f"{_DOUBLE}.{split}.{name}",))
        for native, split in (("img_mlp", "ff"), ("txt_mlp", "ff_context"))
        for n, name in ((0, "net.0.proj"), (2, "net.2"))
    ),
    Pair("double_blocks.#.img_mod.lin", (f"{_DOUBLE}.norm1.linear",)),
    Pair("double_blocks.#.txt_mod.lin", (f"{_DOUBLE}.norm1_context.linear",)),
    _attention("single_blocks.#.linear1", _SINGLE, (*_IMAGE_QKV, "proj_mlp")),
    Pair("single_blocks.#.linear2", (f"{_SINGLE}.proj_out",)),
    Pair("single_blocks.#.modulation.lin", (f"{_SINGLE}.norm.linear",)),
    *_embedders(
        "time_text_embed",
        ("time_in", "timestep_embedder"),
        ("guidance_in", "guidance_embedder"),
        ("vector_in", "text_embedder"),
    ),
    *_FLUX_ENDS,
)
_SANA = (
    _attention("blocks.#.attn.qkv", _DOUBLE, ("attn1.to_q", "attn1.to_k", "attn1.to_v")),
    Pair("blocks.#.attn.proj", (f"{_DOUBLE}.attn1.to_out.0",)),
    Pair("blocks.#.cross_attn.q_linear", (f"{_DOUBLE}.attn2.to_q",)),
    _attention("blocks.#.cross_attn.kv_linear", _DOUBLE, ("attn2.to_k", "attn2.to_v")),
    Pair("blocks.#.cross_attn.proj", (f"{_DOUBLE}.attn2.to_out.0",)),
    Pair("blocks.#.mlp.inverted_conv.conv", (f"{_DOUBLE}.ff.conv_inverted",)),
    Pair("blocks.#.mlp.point_conv.conv", (f"{_DOUBLE}.ff.conv_point",)),
    Pair("x_embedder.proj", ("patch_embed.proj",)),
    Pair("y_embedder.y_proj.fc1", ("caption_projection.linear_1",)),
    Pair("y_embedder.y_proj.fc2", ("caption_projection.linear_2",)),
    Pair("t_embedder.mlp.0", ("time_embed.emb.timestep_embedder.linear_1",)),
    Pair("t_embedder.mlp.2", ("time_embed.emb.timestep_embedder.linear_2",)),
    Pair("t_block.1", ("time_embed.linear",)),
    Pair("final_layer.linear", ("proj_out",)),
)
# Sprint embeds a guidance scale beside the timestep, and has no `emb` level.
_SPRINT = (
    *(p for p in _SANA if not p.native.startswith("t_embedder")),
    *(
        Pair(f"{native}.mlp.{n}", (f"time_embed.{split}.linear_{m}",))
        for native, split in (("t_embedder", "timestep_embedder"), ("cfg_embedder", "guidance_embedder"))
        for n, m in ((0, 1), (2, 2))
    ),
)
_FAMILIES = {"flux2-klein": _FLUX2, "flux2-dev": _FLUX2, "flux1": _FLUX1, "sana": _SANA, "sana-sprint": _SPRINT}
UNETS = ("sdxl", "sdxl-refiner", "sd15", "sd21")


class Place(NamedTuple):
    """A layer found in a naming: which ("native", "diffusers", "fused"), its pair, and which part of it."""

    naming: str
    pair: Pair
    row: int = 0

    @property
    def dotted(self) -> str:
        """The layer's full name in its naming."""
        if self.naming == "fused":
            return fused_name(self.pair) or ""
        return self.pair.native if self.naming == "native" else self.pair.parts[self.row]

    @property
    def whole(self) -> bool:
        """Whether the layer holds all rows of the pair."""
        return self.naming != "diffusers" or len(self.pair.parts) == 1


_FUSED = {"attn.to_q": "attn.to_qkv", "attn.add_q_proj": "attn.to_added_qkv"}


def fused_name(pair: Pair) -> str | None:
    """What diffusers calls q, k and v after `fuse_qkv_projections()`; None for layers it does not fuse."""
    head, _, _ = pair.parts[0].rpartition(".attn.")
    name = _FUSED.get(pair.parts[0][len(head) + 1 :])
    return f"{head}.{name}" if name and len(pair.parts) == 3 else None


@lru_cache(maxsize=16384)
def find(family: str, layer: str) -> Place | None:
    """Find a layer by its name, dotted or flat, in any naming of a family (or of a UNet's id); None if it has none."""
    flat = plain(layer)
    if family in UNETS:
        return _unet_index(family).get(flat)
    pattern, places = _index(family)
    block = pattern.search(flat)
    numbers = (block[1],) if block else ()
    stem = f"{flat[: block.start(1)]}#{flat[block.end(1) :]}" if block else flat
    place = places.get(stem)
    return place._replace(pair=place.pair.numbered(numbers)) if place else None


@cache
def namings(family: str) -> Kept[str, str]:
    """Which naming of a family a layer's name belongs to; "" for none."""

    def naming(layer: str) -> str:
        place = find(family, layer)
        return place.naming if place else ""

    return Kept(naming)


@cache
def _index(family: str) -> tuple[re.Pattern[str], dict[str, Place]]:
    places: dict[str, Place] = {}
    for pair in _FAMILIES[family]:
        places[flatten(pair.native)] = Place("native", pair)
        for i, part in enumerate(pair.parts):
            places.setdefault(flatten(part), Place("diffusers", pair, i))
        fused = fused_name(pair)
        if fused:
            places[flatten(fused)] = Place("fused", pair)
    return re.compile(r"^(?:[a-z]+_)*?blocks_(\d+)_"), places


def pairs(model: str) -> tuple[Pair, ...]:
    """Patterns of a family (`#` stands for the block number), or all layers of a UNet."""
    return _unet_pairs(model) if model in UNETS else _FAMILIES[model]


@cache
def _unet_index(model: str) -> dict[str, Place]:
    places: dict[str, Place] = {}
    for pair in _unet_pairs(model):
        places[flatten(pair.native)] = Place("native", pair)
        places[flatten(pair.parts[0])] = Place("diffusers", pair)
    return places


@cache
def _unet_pairs(model: str) -> tuple[Pair, ...]:
    from lora_doctor.models.modules import table

    names = [m.name for m in table(model, "diffusers")]
    attentive = {tuple(n.split(".")[:2]) for n in names if ".attentions." in n}
    return tuple(Pair(sgm_name(n, attentive), (n,)) for n in names)


_RESNET = {
    "conv1": "in_layers.2", "conv2": "out_layers.3", "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}  # fmt: skip
_UNET_ENDS = {
    "conv_in": "input_blocks.0.0", "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
}  # fmt: skip


def sgm_name(name: str, attentive: set[tuple[str, ...]]) -> str:
    """A UNet layer's original name: three slots per level, resnet, attention and up- or downsampler.

    attentive: the levels with attention (("up_blocks", "0"), ...); an upsampler follows it as third module of its slot.
    """
    if name in _UNET_ENDS:
        return _UNET_ENDS[name]
    level, _, rest = name.partition(".")
    if level == "mid_block":
        kind, number, rest = rest.split(".", 2)
        return f"middle_block.1.{rest}" if kind == "attentions" else f"middle_block.{2 * int(number)}.{_RESNET[rest]}"
    block, kind, number, rest = rest.split(".", 3)
    down = level == "down_blocks"
    if kind == "downsamplers":
        return f"input_blocks.{3 * (int(block) + 1)}.0.op"
    if kind == "upsamplers":
        return f"output_blocks.{3 * int(block) + 2}.{2 if (level, block) in attentive else 1}.conv"
    slot = 3 * int(block) + int(number) + (1 if down else 0)
    where = f"{'input' if down else 'output'}_blocks.{slot}"
    return f"{where}.1.{rest}" if kind == "attentions" else f"{where}.0.{_RESNET[rest]}"
