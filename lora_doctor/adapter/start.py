"""The LoRAs a config trains on from, or on top of: where they lie, and what they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lora_doctor.adapter.facts import Adapter, examine
from lora_doctor.adapter.read import AdapterError
from lora_doctor.dialects.reader import Problem, Reader
from lora_doctor.plan import Plan
from lora_doctor.setting import Setting

# The file in a folder of diffusers, SimpleTuner and diffusion-pipe.
_IN_FOLDER = ("pytorch_lora_weights.safetensors", "adapter_model.safetensors")


def adapters_of(plan: Plan) -> Iterator[Adapter | Problem]:
    """The facts of the LoRAs that a plan continues or builds on; a problem for each that can't be read."""
    for setting in (plan.network.weights, *plan.network.beneath):
        found = _adapter(plan, setting)
        if found is not None:
            yield found


def _adapter(plan: Plan, setting: Setting[str]) -> Adapter | Problem | None:
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
