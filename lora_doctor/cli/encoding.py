"""The third tier of `lora-doctor diagnose`: encoders and detectors that the user has."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from lora_doctor.source.document import SourceError

if TYPE_CHECKING:
    from lora_doctor.symptoms.encoded import Encoders

EXTRA = ("torch", "transformers", "safetensors")


def encoders_of(dino: str | None, clip: str | None, sscd: str | None, detectors: tuple[str, ...]) -> Encoders | None:
    """Those that were named, looked at but not loaded; None for none.

    Raises:
        SourceError: a package is missing, or a folder is wrong or not whole.
    """
    if not (dino or clip or sscd or detectors):
        return None
    lacking = [name for name in EXTRA if find_spec(name) is None]
    if lacking:
        raise SourceError(f"encoders need {', '.join(lacking)}: pip install 'lora-doctor[data,train]'")
    from lora_doctor.probe import given

    models = (
        given.dino(Path(dino)) if dino else None,
        given.clip(Path(clip)) if clip else None,
        given.sscd(Path(sscd)) if sscd else None,
    )
    bodies = [given.detector(Path(each)) for each in detectors]
    kinds = [each.kind in given.POSE for each in bodies]
    if len(set(kinds)) < len(kinds):
        raise SourceError("--detector is given once for a detector and once for a ViTPose, not twice for either")
    from lora_doctor.probe.detectors import detect
    from lora_doctor.probe.encoders import encoder, texts
    from lora_doctor.symptoms.encoded import Encoders

    by_dino, by_clip, by_sscd = (encoder(each) if each is not None else None for each in models)
    prompts = texts(models[1]) if models[1] is not None else None
    return Encoders(by_dino, by_clip, prompts, by_sscd, detect(bodies) if bodies else None)
