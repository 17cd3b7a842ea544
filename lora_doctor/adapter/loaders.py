"""Where a LoRA file loads: all of its layers, some, none; at which scale; and the command that repairs it.

`in_*.py` say what each program does, read in its source; sd-scripts 48d368f and musubi-tuner 30c658c stand here.
"""

from __future__ import annotations

from functools import cache, lru_cache
from math import isfinite
from typing import NamedTuple

from lora_doctor.adapter import names
from lora_doctor.adapter.case import FLUX2, UNETS, Answer, Case, trained
from lora_doctor.adapter.in_comfyui import comfyui, forge, forge_neo
from lora_doctor.adapter.in_diffusers import diffusers
from lora_doctor.adapter.in_invokeai import invokeai
from lora_doctor.adapter.kept import Kept
from lora_doctor.adapter.keys import layer_of
from lora_doctor.adapter.outline import Outline
from lora_doctor.adapter.scale import Scales, from_tensor


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


def loadings(case: Case) -> tuple[Loading, ...]:
    """One row for each program; empty where the model's family is not known."""
    if case.family is None or case.family not in (*FLUX2, *UNETS, "flux1", "sana"):
        return ()
    trainer = "musubi-tuner" if case.family in FLUX2 else "sd-scripts"
    comfy = comfyui(case)
    unet = case.family in UNETS
    rows = (
        ("diffusers", diffusers(case), "diffusers"),
        ("ComfyUI", comfy, "comfyui"),
        ("Forge", forge(case, comfy), "kohya"),
        ("Forge Neo", forge_neo(case, comfy), "kohya"),
        (trainer, _kohya_trainers(case), "kohya"),
        ("InvokeAI", invokeai(case), "kohya" if unet else "comfyui"),
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
    meant = trained(case)
    pairs = [(answer.scale(layer), meant[id(layer)]) for layer in answer.layers if layer.rank]
    ratios = [used / scale for used, scale in pairs if scale and isfinite(scale) and used != scale]
    ratios = [ratio for ratio in ratios if ratio and isfinite(ratio)]
    return max(ratios, key=lambda r: max(abs(r), 1 / abs(r))) if ratios else None


def _repair(case: Case, row: Loading, target: str) -> str:
    """The command that makes a file this program takes, where there is one."""
    if " has no " in row.reason:
        return ""
    path = str(case.file.path)
    quoted = f'"{path}"' if " " in path else path
    out = f"{case.file.path.stem}-{target}.safetensors"
    if row.status == "all" and row.scale is not None:
        return f"lora-doctor bake-alpha {quoted} --output {case.file.path.stem}-baked.safetensors"
    # alpha in tensors is what diffusers refuses in its own names: writing them again puts it into the metadata
    if case.format.id == target and (target != "diffusers" or row.reason.startswith("DoRA")):
        return ""
    return f"lora-doctor convert {quoted} --to {target} --output {out}"


# ---- trainers that go on from a file


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
        taken,
        "" if len(taken) == len(case.file.layers) else f"only lora_unet_ names of {naming} layers are read",
        scale=from_tensor,
    )


@lru_cache(maxsize=32)
def _kohya_knows(model: str, naming: str, outline: Outline) -> tuple[bool, ...]:
    return tuple(_key_map(model, naming).all(outline.columns.stem))


@cache
def _key_map(model: str, naming: str) -> Kept[str, bool]:
    return Kept(lambda stem: _kohya_name(model, naming, *layer_of(stem)[1:]))


def _kohya_name(model: str, naming: str, prefix: str, name: str) -> bool:
    if prefix.startswith("lora_te"):
        return model not in FLUX2
    place = names.find(model, name) if prefix == "lora_unet_" else None
    return place is not None and place.naming == naming
