"""What diffusers 0.42.1 does with a LoRA file (loaders/lora_pipeline.py, loaders/lora_conversion_utils.py)."""

from __future__ import annotations

import re

from lora_doctor.adapter.case import FLUX2, Answer, Case, by_metadata, has, named, plural, unit
from lora_doctor.adapter.read import Layer
from lora_doctor.adapter.scale import from_tensor

_DORA = "DoRA: the magnitudes are dropped, it loads as a plain LoRA"
_SILENT = "no key has the prefix it looks for: a warning, and the base model's image"


def diffusers(case: Case) -> Answer | None:
    """Its verdict. All its pipelines filter `dora_scale` out, with a warning, before they look at anything else."""
    if case.format.id != "xlabs" and any("processor" in group.name for group in case.file.outline.groups[:1]):
        return None
    answer = _by_family(case)
    if has(case, "dora_scale") and answer.layers and not answer.error:
        return answer._replace(reason="; ".join(filter(None, (_DORA, answer.reason))))
    return answer


def _by_family(case: Case) -> Answer:
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
    ignored = f"{plural(encoders, 'text encoder layer')} ignored in silence" if encoders else ""
    if has(case, "hada_w1_a"):
        return Answer((), "LoHa: Invalid adapter checkpoint. We currently support LoRA and LoKr.", error=True)
    if any(".lora_down.weight" in n for n in case.file.header.tensors):
        return _diffusers_kohya_flux2(case, ignored)
    if has(case, "lokr_w1") or has(case, "lokr_w1_a"):
        taken = [layer for layer in layers if layer.prefix in ("lycoris_", "diffusion_model.", "transformer.")]
        return Answer(taken, ignored if taken else _SILENT)
    native = [layer for layer in layers if layer.prefix in ("diffusion_model.", "base_model.model.")]
    if native:
        return _diffusers_native_flux2(case, native, ignored)
    return _plain_diffusers(case, "transformer.")


def _diffusers_kohya_flux2(case: Case, ignored: str) -> Answer:
    taken = [layer for layer in case.file.denoiser if layer.prefix == "lora_unet_"]
    taken = named(case, taken, "native")
    unread = r"modulation|guidance_in|adaLN"
    good = [layer for layer in taken if not re.search(unread, layer.name)]
    reason = (
        f"{plural(len(taken) - len(good), 'modulation or guidance layer')} dropped" if len(good) < len(taken) else ""
    )
    return Answer(good, "; ".join(filter(None, (reason, ignored))) if good else _SILENT, scale=from_tensor)


def _diffusers_native_flux2(case: Case, native: list[Layer], ignored: str) -> Answer:
    extra = next((r for r in ("alpha", "magnitude", "oft", "diff", "norm") if any(r in n.roles for n in native)), None)
    if extra:
        return Answer((), f"`original_state_dict` should be empty, but has .{extra} keys", error=True)
    reasons = [ignored]
    if any("adaLN_modulation" in layer.name for layer in native):
        reasons.append("the two halves of final_layer.adaLN_modulation are exchanged (a bug of its converter)")
    return Answer(native, "; ".join(filter(None, reasons)), scale=unit)


def _plain_diffusers(case: Case, prefix: str, encoders: tuple[str, ...] = ()) -> Answer:
    """Names as the model's own, and `lora` in every key."""
    if any(layer.kind in ("loha", "lokr", "oft", "glora", "diff") for layer in case.file.layers):
        return Answer((), "Invalid LoRA checkpoint: only LoRA is supported in these names", error=True)
    own = [layer for layer in case.file.denoiser if layer.prefix == prefix]
    if own and any("alpha" in layer.roles for layer in own) and case.family != "flux1":
        return Answer((), "Invalid adapter checkpoint: `.alpha` keys are not expected in these names", error=True)
    taken = [layer for layer in named(case, own, "diffusers") if "down" in layer.roles and not _infix(layer)]
    taken += [layer for layer in case.file.layers if layer.part in encoders and layer.prefix == f"{layer.part}."]
    lost = len(case.file.layers) - len(taken)
    reason = "" if not lost else f"{plural(lost, 'layer')} ignored in silence" if taken else _SILENT
    return Answer(taken, reason, scale=by_metadata(case))


def _infix(layer: Layer) -> bool:
    return any(key.infix for key in layer.keys)


def _diffusers_flux1(case: Case) -> Answer:
    if case.format.id == "xlabs":
        return Answer(case.file.layers)
    if any(".lora_down.weight" in n for n in case.file.header.tensors):
        taken = [layer for layer in case.file.layers if layer.prefix in ("lora_unet_", "lora_te1_", "lora_te_")]
        return Answer(taken, "" if taken else _SILENT, scale=from_tensor)
    if case.format.id == "peft":
        return Answer(case.file.layers, scale=unit)
    return _plain_diffusers(case, "transformer.", ("text_encoder",))


def _diffusers_unet(case: Case) -> Answer:
    layers = case.file.layers
    if all(prefix.startswith(("lora_unet_", "lora_te")) for prefix in case.file.outline.prefixes):
        if case.format.kinds.keys() != {"lora"}:
            return Answer((), "only LoRA is supported in kohya's names", error=True)
        return Answer(layers, scale=from_tensor)
    return _plain_diffusers(case, "unet.", ("text_encoder", "text_encoder_2"))
