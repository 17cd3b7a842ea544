"""The LoRA a config trains on from: where it lies, and what it is."""

from __future__ import annotations

from pathlib import Path

from lora_doctor.adapter.facts import Adapter, examine
from lora_doctor.adapter.read import AdapterError
from lora_doctor.dialects.reader import Problem, Reader
from lora_doctor.plan import Plan

# The file in a folder of diffusers, SimpleTuner and diffusion-pipe.
_IN_FOLDER = ("pytorch_lora_weights.safetensors", "adapter_model.safetensors")


def adapter_of(plan: Plan) -> Adapter | Problem | None:
    """The facts of the LoRA that `plan.network.weights` names; a problem where it can't be read, None without one."""
    setting = plan.network.weights
    if not isinstance(setting.value, str) or not setting.value or setting.place is None:
        return None
    path = _file(Reader().find(setting.value, setting.place.document))
    if path is None:
        return None
    base = plan.model.found if plan.model.found.family else plan.model.declared
    try:
        return examine(path, place=setting.place, base=base, key=setting.key, trainer=plan.trainer)
    except AdapterError as error:
        document = setting.place.document
        line, column = document.position(setting.place.span.start)
        sentence = error.sentence.removeprefix(f"{path.name} ")
        return Problem(document.name, f"`{setting.key}`: {path.name} {sentence}", line, column)


def _file(path: Path | None) -> Path | None:
    if path is not None and path.is_dir():
        path = next((path / name for name in _IN_FOLDER if (path / name).is_file()), None)
    return path if path is not None and path.suffix == ".safetensors" and path.is_file() else None
