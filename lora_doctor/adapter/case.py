"""What the loaders look at, and how they answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from lora_doctor.adapter import names
from lora_doctor.adapter.formats import Format
from lora_doctor.adapter.identify import BY_ID, Identity
from lora_doctor.adapter.read import AdapterFile, Layer
from lora_doctor.adapter.scale import Scales

FLUX2 = ("flux2-klein", "flux2-dev")
UNETS = ("sdxl", "sd15", "sd2")


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


def named(case: Case, layers: Sequence[Layer], naming: str) -> list[Layer]:
    """Those of the denoiser's layers whose names belong to a naming."""
    model = case.naming
    places = [names.find(model, layer.name) if layer.denoiser else None for layer in layers]
    return [layer for layer, place in zip(layers, places) if place and place.naming == naming]


def trained(case: Case) -> dict[int, float]:
    """The trained scale by layer's identity."""
    return dict(zip(map(id, case.file.layers), case.scales.trained))


def unit(_: Layer) -> float:
    return 1.0


def by_metadata(case: Case) -> Callable[[Layer], float]:
    """diffusers reads `lora_adapter_metadata`, and no file beside the LoRA."""
    if case.scales.source != "metadata":
        return unit
    scales = trained(case)
    return lambda layer: scales[id(layer)]


def has(case: Case, role: str) -> bool:
    return role in case.file.outline.roles


def plural(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
