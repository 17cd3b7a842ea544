"""Where a LoRA file loads: all of its layers, some, none; at which scale; and the command that repairs it.

Read in diffusers 0.42.1 (loaders/lora_pipeline.py, lora_conversion_utils.py), ComfyUI 17358c8 (comfy/lora.py), Forge
00f1cd3 (packages_3rdparty/comfyui_lora_collection/lora.py), musubi-tuner 30c658c, sd-scripts 48d368f and InvokeAI
540b2ee (backend/patches/lora_conversions).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import isfinite
from typing import NamedTuple

from lora_doctor.adapter import names
from lora_doctor.adapter.formats import Format
from lora_doctor.adapter.identify import BY_ID, Identity
from lora_doctor.adapter.keys import DENOISER
from lora_doctor.adapter.outline import Group, Outline
from lora_doctor.adapter.read import AdapterFile, Layer
from lora_doctor.adapter.scale import Scales, from_tensor

FLUX2 = ("flux2-klein", "flux2-dev")
UNETS = ("sdxl", "sd15", "sd2")


class Loading(NamedTuple):
    """What one program does with a file.

    status: "all", "some", "none" (silently nothing), "fails" (an error message) or "unknown". loaded, total: layers.
    scale: how many times too strong (or weak, below 1) the layers that load are; None where right or unknown.
    """

    consumer: str
    status: str
    loaded: int
    total: int
    reason: str = ""
    scale: float | None = None
    command: str = ""

    @property
    def fine(self) -> bool:
        """Every layer, at the trained scale."""
        return self.status == "all" and self.scale is None


class Case(NamedTuple):
    """What the loaders look at."""

    file: AdapterFile
    identity: Identity
    format: Format
    scales: Scales

    @property
    def family(self) -> str | None:
        """The family; where several fit, one of them: their loaders treat the shared layers alike."""
        if self.identity.family:
            return self.identity.family
        if self.identity.candidates:
            return BY_ID[self.identity.candidates[0]].family
        return next((m.family for m in BY_ID.values() if m.naming == self.identity.names_of), None)

    @property
    def naming(self) -> str:
        """The key for `names.find`."""
        if self.identity.candidates:
            return BY_ID[self.identity.candidates[0]].naming
        return self.identity.names_of


class Answer(NamedTuple):
    """A loader's own verdict, before counting. `layers` are those it applies; `scales` parallel to them."""

    layers: Sequence[Layer]
    reason: str = ""
    error: bool = False
    scale: Callable[[Layer], float] | None = None


def loadings(case: Case) -> tuple[Loading, ...]:
    """One row for each program; empty where the model's family is not known."""
    if case.family is None or case.family not in (*FLUX2, *UNETS, "flux1", "sana"):
        return ()
    trainer = "musubi-tuner" if case.family in FLUX2 else "sd-scripts"
    comfyui = _comfyui(case)
    rows = (
        ("diffusers", _diffusers(case), "diffusers"),
        ("ComfyUI", comfyui, "comfyui"),
        ("Forge", _forge(case, comfyui), "kohya"),
        (trainer, _kohya_trainers(case), "kohya"),
        ("InvokeAI", _invoke(case), "comfyui"),
    )
    return tuple(_row(case, consumer, answer, target) for consumer, answer, target in rows)


def _row(case: Case, consumer: str, answer: Answer | None, target: str) -> Loading:
    total = len(case.file.layers)
    if answer is None:
        return Loading(consumer, "unknown", 0, total, "not known to lora-doctor for this model or format")
    count = len(answer.layers)
    status = "fails" if answer.error else "all" if count == total else "some" if count else "none"
    wrong = _wrong_scale(case, answer)
    reason = answer.reason
    if wrong is not None:
        reason = "; ".join(filter(None, (reason, f"{wrong:g} times the trained strength: {_where(case.scales)}")))
    row = Loading(consumer, status, 0 if answer.error else count, total, reason, wrong)
    return row if row.fine else row._replace(command=_repair(case, row, target))


def _where(scales: Scales) -> str:
    return f"alpha stands in its {scales.source}" if scales.source != "tensors" else "its alpha tensors are not used"


def _wrong_scale(case: Case, answer: Answer) -> float | None:
    """The largest deviation from the trained scale, as a factor."""
    if answer.error or answer.scale is None or (answer.scale is from_tensor and case.scales.source == "tensors"):
        return None
    trained = _trained(case)
    pairs = [(answer.scale(layer), trained[id(layer)]) for layer in answer.layers if layer.rank]
    ratios = [used / meant for used, meant in pairs if meant and isfinite(meant) and used != meant]
    ratios = [ratio for ratio in ratios if ratio and isfinite(ratio)]
    return max(ratios, key=lambda r: max(abs(r), 1 / abs(r))) if ratios else None


def _repair(case: Case, row: Loading, target: str) -> str:
    """The command that makes a file this program takes, where there is one."""
    if case.family == "sana" and target != "diffusers":
        return ""
    path = str(case.file.path)
    quoted = f'"{path}"' if " " in path else path
    out = f"{case.file.path.stem}-{target}.safetensors"
    if row.status == "all" and row.scale is not None:
        return f"lora-doctor bake-alpha {quoted} --output {case.file.path.stem}-baked.safetensors"
    if _same(case.format, target) and row.reason.startswith("DoRA"):
        return ""
    return f"lora-doctor convert {quoted} --to {target} --output {out}"


def _same(form: Format, target: str) -> bool:
    return form.id == target


def _named(case: Case, layers: Sequence[Layer], naming: str) -> list[Layer]:
    """Those of the denoiser's layers whose names belong to a naming."""
    model = case.naming
    places = [names.find(model, layer.name) if layer.denoiser else None for layer in layers]
    return [layer for layer, place in zip(layers, places) if place and place.naming == naming]


def _trained(case: Case) -> dict[int, float]:
    """The trained scale by layer's identity."""
    return dict(zip(map(id, case.file.layers), case.scales.trained))


def _unit(_: Layer) -> float:
    return 1.0


def _by_metadata(case: Case) -> Callable[[Layer], float]:
    """diffusers reads `lora_adapter_metadata`, and no file beside the LoRA."""
    if case.scales.source != "metadata":
        return _unit
    trained = _trained(case)
    return lambda layer: trained[id(layer)]


def _has(case: Case, role: str) -> bool:
    return role in case.file.outline.roles


def _plural(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


# ---- diffusers

_SILENT = "no key has the prefix it looks for: a warning, and the base model's image"


def _diffusers(case: Case) -> Answer | None:
    if case.family in FLUX2:
        return _diffusers_flux2(case)
    if case.family == "flux1":
        return _diffusers_flux1(case)
    if case.family == "sana":
        return _plain_diffusers(case, "transformer.")
    return _diffusers_unet(case)


def _diffusers_flux2(case: Case) -> Answer:
    layers = case.file.denoiser
    encoders = len(case.file.layers) - len(layers)
    ignored = f"{_plural(encoders, 'text encoder layer')} ignored in silence" if encoders else ""
    if _has(case, "hada_w1_a"):
        return Answer((), "LoHa: Invalid adapter checkpoint. We currently support LoRA and LoKr.", error=True)
    if any(".lora_down.weight" in n for n in case.file.header.tensors):
        return _diffusers_kohya_flux2(case, ignored)
    if _has(case, "lokr_w1") or _has(case, "lokr_w1_a"):
        taken = [layer for layer in layers if layer.prefix in ("lycoris_", "diffusion_model.", "transformer.")]
        return Answer(taken, ignored if taken else _SILENT)
    native = [layer for layer in layers if layer.prefix in ("diffusion_model.", "base_model.model.")]
    if native:
        return _diffusers_native_flux2(case, native, ignored)
    return _plain_diffusers(case, "transformer.")


def _diffusers_kohya_flux2(case: Case, ignored: str) -> Answer:
    taken = [layer for layer in case.file.denoiser if layer.prefix == "lora_unet_"]
    taken = _named(case, taken, "native")
    unread = r"modulation|guidance_in|adaLN"
    good = [layer for layer in taken if not re.search(unread, layer.name)]
    reason = (
        f"{_plural(len(taken) - len(good), 'modulation or guidance layer')} dropped" if len(good) < len(taken) else ""
    )
    return Answer(good, "; ".join(filter(None, (reason, ignored))) if good else _SILENT, scale=from_tensor)


def _diffusers_native_flux2(case: Case, native: list[Layer], ignored: str) -> Answer:
    extra = next((r for r in ("alpha", "magnitude", "oft", "diff", "norm") if any(r in n.roles for n in native)), None)
    if extra:
        return Answer((), f"`original_state_dict` should be empty, but has .{extra} keys", error=True)
    reasons = [ignored]
    if any("dora_scale" in layer.roles for layer in native):
        reasons.append("DoRA: the magnitudes are dropped, it loads as a plain LoRA")
    if any("adaLN_modulation" in layer.name for layer in native):
        reasons.append("the two halves of final_layer.adaLN_modulation are exchanged (a bug of its converter)")
    return Answer(native, "; ".join(filter(None, reasons)), scale=_unit)


def _plain_diffusers(case: Case, prefix: str, encoders: tuple[str, ...] = ()) -> Answer:
    """Names as the model's own, and `lora` in every key."""
    if any(layer.kind in ("loha", "lokr", "oft", "glora", "diff") for layer in case.file.layers):
        return Answer((), "Invalid LoRA checkpoint: only LoRA is supported in these names", error=True)
    own = [layer for layer in case.file.denoiser if layer.prefix == prefix]
    if own and any("alpha" in layer.roles for layer in own) and case.family != "flux1":
        return Answer((), "Invalid adapter checkpoint: `.alpha` keys are not expected in these names", error=True)
    taken = [layer for layer in _named(case, own, "diffusers") if "down" in layer.roles and not _infix(layer)]
    taken += [layer for layer in case.file.layers if layer.part in encoders and layer.prefix == f"{layer.part}."]
    lost = len(case.file.layers) - len(taken)
    reason = "" if not lost else f"{_plural(lost, 'layer')} ignored in silence" if taken else _SILENT
    if any("dora_scale" in layer.roles for layer in taken):
        reason = "DoRA: the magnitudes are dropped, it loads as a plain LoRA"
    return Answer(taken, reason, scale=_by_metadata(case))


def _infix(layer: Layer) -> bool:
    return any(key.infix for key in layer.keys)


def _diffusers_flux1(case: Case) -> Answer:
    if case.format.id == "xlabs":
        return Answer(case.file.layers)
    if any(".lora_down.weight" in n for n in case.file.header.tensors):
        taken = [layer for layer in case.file.layers if layer.prefix in ("lora_unet_", "lora_te1_", "lora_te_")]
        return Answer(taken, "" if taken else _SILENT, scale=from_tensor)
    if case.format.id == "peft":
        return Answer(case.file.layers, scale=_unit)
    return _plain_diffusers(case, "transformer.", ("text_encoder",))


def _diffusers_unet(case: Case) -> Answer:
    layers = case.file.layers
    if all(layer.prefix.startswith(("lora_unet_", "lora_te")) for layer in layers):
        if any(layer.kind != "lora" for layer in layers):
            return Answer((), "only LoRA is supported in kohya's names", error=True)
        return Answer(layers, scale=from_tensor)
    return _plain_diffusers(case, "unet.", ("text_encoder", "text_encoder_2"))


# ---- ComfyUI and Forge

_UNMAPPED_FLUX2 = re.compile(
    r"^(time_guidance_embed|double_stream_modulation_\w+\.linear|single_stream_modulation\.linear)"
)


def _comfyui(case: Case) -> Answer:
    if case.family == "sana":
        return Answer((), "ComfyUI has no SANA")
    known = _comfy_knows(case.family or "", case.naming, case.file.outline)
    taken = [layer for layer, one in zip(case.file.layers, known) if one and layer.kind]
    if case.file.outline.infixes - {"default"}:
        taken = [layer for layer in taken if {key.infix for key in layer.keys} <= {"", "default"}]
    reason = "" if len(taken) == len(case.file.layers) else "lora key not loaded: " + _first_lost(case, taken)
    if any("magnitude" in layer.roles for layer in taken):
        reason = "DoRA: lora_magnitude_vector is not loaded, so it acts as a plain LoRA"
    return Answer(taken, reason, scale=from_tensor)


def _first_lost(case: Case, taken: Sequence[Layer]) -> str:
    known = set(map(id, taken))
    lost = next(layer for layer in case.file.layers if id(layer) not in known)
    return lost.keys[0].name


@lru_cache(maxsize=32)
def _comfy_knows(family: str, naming: str, outline: Outline) -> tuple[bool, ...]:
    """Of each layer's name, whether ComfyUI's key map has it."""
    places = names.places(naming, outline)
    return tuple([_comfy_name(family, group, place) for group, place in zip(outline.groups, places)])


def _comfy_name(family: str, group: Group, place: names.Place | None) -> bool:
    if group.part != DENOISER:
        return _clip_name(family, group)
    if place is None or place.naming == "fused":
        return False
    if family in UNETS:
        return _comfy_unet(group, place)
    if place.naming == "native":
        return group.prefix == "lora_unet_" or (group.prefix == "diffusion_model." and group.name == place.dotted)
    if family in FLUX2 and _UNMAPPED_FLUX2.match(place.dotted):
        return False
    return group.prefix in ("transformer.", "lycoris_", "lora_transformer_", "")


def _comfy_unet(group: Group, place: names.Place) -> bool:
    if group.prefix == "lora_unet_":
        return True
    if group.prefix == "diffusion_model.":
        return place.naming == "native" and ("." in group.name or place.dotted == group.name)
    if place.naming != "diffusers":
        return False
    # of diffusers' own names it knows the old `processor` spelling of attention only
    return group.prefix == "lycoris_" or (group.prefix in ("unet.", "") and ".to_" not in group.name)


def _clip_name(family: str, group: Group) -> bool:
    """Text encoders: kohya's names, and diffusers' with the `text_model` level that transformers 5 dropped."""
    if family not in (*UNETS, "flux1"):
        return False
    return group.prefix.startswith("lora_te") or group.name.startswith("text_model.")


def _forge(case: Case, comfyui: Answer) -> Answer | None:
    if case.family in FLUX2:
        return None
    if case.family == "sana":
        return Answer((), "Forge has no SANA")
    if case.family == "flux1":
        taken = [
            layer
            for layer in comfyui.layers
            if layer.prefix in ("lora_unet_", "diffusion_model.", "transformer.") or not layer.denoiser
        ]
    else:
        taken = [layer for layer in comfyui.layers if layer.prefix != "lycoris_"]
    return comfyui._replace(layers=taken)


# ---- trainers that go on from a file, InvokeAI


def _kohya_trainers(case: Case) -> Answer | None:
    """sd-scripts and musubi-tuner (`--network_weights`, `--base_weights`) know their own names only."""
    if case.family == "sana":
        return Answer((), "sd-scripts has no SANA")
    if case.format.kinds.keys() - {"lora"}:
        return None
    # sd-scripts flattens Stability's names for SDXL, diffusers' names for Stable Diffusion 1 and 2
    naming = "diffusers" if case.family in ("sd15", "sd2") else "native"
    known = _kohya_knows(case.naming, naming, case.file.outline)
    taken = [layer for layer, one in zip(case.file.layers, known) if one]
    return Answer(
        taken, "" if len(taken) == len(case.file.layers) else "only lora_unet_ names are read", scale=from_tensor
    )


@lru_cache(maxsize=32)
def _kohya_knows(model: str, naming: str, outline: Outline) -> tuple[bool, ...]:
    rows = zip(outline.groups, names.places(model, outline))
    return tuple(
        [
            group.prefix.startswith("lora_te")
            or (group.prefix == "lora_unet_" and place is not None and place.naming == naming)
            for group, place in rows
        ]
    )


def _invoke(case: Case) -> Answer | None:
    """FLUX.2: native or diffusers names, the latter only with a layer that FLUX.1 has not."""
    if case.family not in FLUX2:
        return None
    layers = case.file.layers
    if (
        all(layer.prefix in ("diffusion_model.", "base_model.model.") for layer in layers)
        and case.identity.naming == "native"
    ):
        taken = [layer for layer in layers if not (layer.kind == "loha" and layer.name.endswith(".qkv"))]
        return Answer(taken, "" if len(taken) == len(layers) else "LoHa on qkv is skipped", scale=from_tensor)
    if (
        all(layer.prefix in ("transformer.", "base_model.model.") for layer in layers)
        and case.identity.naming == "diffusers"
    ):
        mark = ("to_qkv_mlp_proj", "ff.linear_in", "ff_context.linear_in")
        if case.format.kinds.keys() - {"lora"} or not any(m in layer.name for m in mark for layer in layers):
            return Answer((), "not recognised: it looks for to_qkv_mlp_proj or linear_in", error=True)
        return Answer(layers, scale=_unit)
    return None
