"""What each trainer trains when its config names no layers, as arguments for `modules.coverage`."""

from __future__ import annotations

from typing import NamedTuple

from .modules import Coverage, coverage


class Preset(NamedTuple):
    """Default targets of one trainer for one family."""

    targets: tuple[str, ...] | str
    style: str
    naming: str
    source: str


_KLEIN_SCRIPT = (
    "to_k", "to_q", "to_v", "to_out.0", "to_qkv_mlp_proj",
    *(f"single_transformer_blocks.{n}.attn.to_out" for n in range(24)),
)  # fmt: skip
_BLOCKS = r"(double_blocks|single_blocks)\..*"
_SD_SCRIPTS_SDXL = r".*\.attentions\..*"

_PRESETS: dict[tuple[str, str], Preset] = {
    ("diffusers", "flux2-klein"): Preset(
        _KLEIN_SCRIPT, "peft", "diffusers", "train_dreambooth_lora_flux2_klein.py, diffusers 58eb52c"
    ),
    ("diffusers", "sana"): Preset(
        ("to_k", "to_q", "to_v"), "peft", "diffusers", "train_dreambooth_lora_sana.py, diffusers 58eb52c"
    ),
    ("diffusers", "sdxl"): Preset(
        ("to_k", "to_q", "to_v", "to_out.0"), "peft", "diffusers", "train_dreambooth_lora_sdxl.py, diffusers 58eb52c"
    ),
    ("simpletuner", "flux2-klein"): Preset(
        ("attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0", "attn.to_qkv_mlp_proj"),
        "peft", "diffusers", "helpers/models/flux2/model.py, SimpleTuner bc8e6ab",
    ),
    ("simpletuner", "sana"): Preset(
        ("to_k", "to_q", "to_v", "to_out.0"), "peft", "diffusers", "helpers/models/sana/model.py, SimpleTuner bc8e6ab"
    ),
    ("ai-toolkit", "flux2-klein"): Preset((), "contains", "native", "toolkit/lora_special.py, ai-toolkit 27a03a9"),
    ("diffusion-pipe", "flux2-klein"): Preset(_BLOCKS, "peft", "native", "models/flux2.py, diffusion-pipe 8f83dbf"),
    ("musubi-tuner", "flux2-klein"): Preset(_BLOCKS, "peft", "native", "networks/lora_flux_2.py, musubi-tuner 30c658c"),
    ("sd-scripts", "sdxl"): Preset(_SD_SCRIPTS_SDXL, "peft", "diffusers", "networks/lora.py, sd-scripts 48d368f"),
}  # fmt: skip
for _trainer in ("simpletuner", "ai-toolkit", "diffusion-pipe", "musubi-tuner"):
    _PRESETS[_trainer, "flux2-dev"] = _PRESETS[_trainer, "flux2-klein"]


def preset(trainer: str, family: str) -> Preset | None:
    """A trainer's default targets ("diffusers", "simpletuner", "ai-toolkit", "diffusion-pipe", "musubi-tuner",
    "sd-scripts"), None where they are not known."""
    return _PRESETS.get((trainer, family))


def default_coverage(trainer: str, family: str, model_id: str) -> Coverage | None:
    """What a trainer reaches by default in a model, None where that is not known."""
    known = preset(trainer, family)
    if known is None:
        return None
    return coverage(model_id, known.targets, style=known.style, naming=known.naming)
