"""The architectures ai-toolkit trains, and what its loader does differently with each.

Source: ostris/ai-toolkit@27a03a91 toolkit/config_modules.py (ModelConfig), toolkit/util/get_model.py and the `arch` of
every class under extensions_built_in/diffusion_models.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from lora_doctor.models.identify import ModelIdentity
from lora_doctor.plan import UNKNOWN
from lora_doctor.setting import Config, Setting


class Arch(NamedTuple):
    """One `model.arch`.

    legacy: loaded by the old StableDiffusion class, which believes `train.noise_scheduler`; the others bring their own.
    alpha: alpha counts (for transformers the network is in PEFT's format, where it is set to the rank). dynamic: its
    scheduler shifts by resolution and can't set timesteps without it.
    """

    family: str | None
    size: str | None = None
    variant: str | None = None
    legacy: bool = False
    flow: bool = True
    alpha: bool = False
    dynamic: bool = False


_UNET = Arch(None, legacy=True, flow=False, alpha=True)
ARCHS = {
    "flux2_klein_4b": Arch("flux2-klein", "4B", dynamic=True),
    "flux2_klein_9b": Arch("flux2-klein", "9B", dynamic=True),
    "flux2": Arch("flux2-dev", dynamic=True),
    "flux": Arch("flux1", legacy=True),
    "flex1": Arch("flex", legacy=True),
    "flux_kontext": Arch("flux1", variant="kontext", dynamic=True),
    "flex2": Arch("flex", dynamic=True),
    "sdxl": _UNET._replace(family="sdxl"),
    "sd1": _UNET._replace(family="sd15"),
    "sd15": _UNET._replace(family="sd15"),
    "sd2": _UNET._replace(family="sd2"),
    "vega": _UNET._replace(family="ssd-1b"),
    "ssd": _UNET._replace(family="ssd-1b"),
    "pixart": _UNET._replace(family="pixart"),
    "pixart_sigma": _UNET._replace(family="pixart"),
    "auraflow": Arch("auraflow", legacy=True, alpha=True),
    "sd3": Arch("sd3", legacy=True),
    "lumina2": Arch("lumina", legacy=True),
    "chroma": Arch("chroma", dynamic=True),
    "chroma_radiance": Arch("chroma", dynamic=True),
    "zeta_chroma": Arch("chroma"),
    "qwen_image": Arch("qwen-image", dynamic=True),
    "qwen_image_edit": Arch("qwen-image", dynamic=True),
    "qwen_image_edit_plus": Arch("qwen-image", dynamic=True),
    "zimage": Arch("z-image"),
    "zimage_l2p": Arch("z-image"),
    "wan21": Arch("wan"),
    "wan21_i2v": Arch("wan"),
    "wan22_5b": Arch("wan"),
    "wan22_14b": Arch("wan"),
    "wan22_14b_i2v": Arch("wan"),
    "hidream": Arch("hidream"),
    "hidream_e1": Arch("hidream"),
    "hidream_o1": Arch("hidream"),
    "ltx2": Arch("ltx", dynamic=True),
    "ltx2.3": Arch("ltx", dynamic=True),
    "ltx2.5": Arch("ltx", dynamic=True),
    "omnigen2": Arch("omnigen"),
    "krea2": Arch("krea2", dynamic=True),
    "cogview4": Arch("cogview", dynamic=True),
    "f-lite": Arch("f-lite", dynamic=True),
    "anima": Arch("anima"),
    "ernie_image": Arch("ernie-image"),
    "ideogram4": Arch("ideogram"),
    "boogu_image": Arch("boogu"),
    "boogu_image_edit": Arch("boogu"),
    "mageflow": Arch("mageflow"),
    "mageflow_edit": Arch("mageflow"),
    "nucleus_image": Arch("nucleus"),
    "prx_pixel": Arch("prx"),
    "minimax_h3": Arch("minimax"),
    "minimax_h3_ref2va": Arch("minimax"),
    "ace_step_15": Arch("ace-step"),
    "ace_step_15_xl": Arch("ace-step"),
}
# Before there was `arch` there were flags; the first that is set names it (config_modules.py, end of ModelConfig).
FLAGS = {
    "is_v2": "sd2",
    "is_v3": "sd3",
    "is_xl": "sdxl",
    "is_pixart": "pixart",
    "is_pixart_sigma": "pixart_sigma",
    "is_auraflow": "auraflow",
    "is_flux": "flux",
    "is_lumina2": "lumina2",
    "is_vega": "vega",
    "is_ssd": "ssd",
}


def arch_setting(config: Config) -> Setting[str]:
    """The architecture the loader takes: `arch` without its `:tag`, else what a flag says, else Stable Diffusion 1."""
    arch = config.get("model.arch")
    if arch.written and arch.value is not None:
        return arch.map(lambda name: name.partition(":")[0] if isinstance(name, str) else None)
    for flag, name in FLAGS.items():
        setting: Setting[Any] = config.get(f"model.{flag}")
        if setting.value is True:
            return setting._replace(value=name)
    return Setting("sd1", "default", "model.arch", arch.place, arch.rewrite)


def arch_of(config: Config) -> Arch | None:
    """What is known of the architecture; None for one this list has not."""
    return ARCHS.get(arch_setting(config).value or "")


def declared(config: Config) -> ModelIdentity:
    """What the architecture says of the model file."""
    arch = arch_of(config)
    if arch is None:
        return UNKNOWN
    evidence = "by its arch" if arch_setting(config).written else "by default"
    return ModelIdentity(family=arch.family, size=arch.size, variant=arch.variant, evidence=evidence)
