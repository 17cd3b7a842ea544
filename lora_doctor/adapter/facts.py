"""What is known about one LoRA file: the record that rules look at."""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lora_doctor.adapter import names
from lora_doctor.adapter.case import Case
from lora_doctor.adapter.formats import Format, format_of, writer_of
from lora_doctor.adapter.identify import BY_ID, Identity, identify, trained_on
from lora_doctor.adapter.kept import Kept
from lora_doctor.adapter.keys import DENOISER, layer_of
from lora_doctor.adapter.loaders import Loading, loadings
from lora_doctor.adapter.outline import Outline
from lora_doctor.adapter.read import MAGNITUDES, AdapterFile, Layer, open_adapter
from lora_doctor.adapter.scale import Scales, scales_of
from lora_doctor.finding import Finding, Place
from lora_doctor.models.identify import ModelIdentity
from lora_doctor.source.document import Document, Span

if TYPE_CHECKING:
    from lora_doctor.adapter.health import Health


class Adapter(NamedTuple):
    """A LoRA file and what its header says.

    base: the model it is to be used with, where that is known (`--base`, or the config that names the file).
    health: what its weights say, None where they were not read. key, trainer: of the config that names the file as a
    start for training, else "".
    """

    file: AdapterFile
    identity: Identity
    format: Format
    scales: Scales
    writer: str
    trained_on: str
    loadings: tuple[Loading, ...]
    place: Place
    base: ModelIdentity | None = None
    health: Health | None = None
    key: str = ""
    trainer: str = ""

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All layers, of the denoiser and of text encoders."""
        return self.file.layers

    @property
    def ranks(self) -> tuple[int, ...]:
        """The different ranks, in ascending order."""
        return tuple(sorted({layer.rank for layer in self.layers if layer.rank}))

    @property
    def thin(self) -> bool:
        """Whether every layer's change is a product of two matrices, so that it can be resized, merged and averaged."""
        kinds, roles = set(self.format.kinds), self.file.outline.roles
        return kinds <= {"lora", "loha", "lokr"} and roles.isdisjoint({"hada_t1", "lokr_t2", "bias", *MAGNITUDES})

    @property
    def label(self) -> str:
        """The model's name, or the family's, or ""."""
        return self.identity.label or self.identity.family or ""

    def loads_in(self, consumer: str) -> Loading | None:
        """The row of one program, None where nothing is known."""
        return next((row for row in self.loadings if row.consumer == consumer and row.status != "unknown"), None)

    def finding(self, message: str, action: str = "") -> Finding:
        """A finding about the file."""
        return Finding(self.place, message, action, self.key)

    def command(self, verb: str, *options: str) -> str:
        """A lora-doctor command on this file, as a user would type it."""
        path = str(self.file.path)
        return " ".join(("lora-doctor", verb, f'"{path}"' if " " in path else path, *options))


def examine(
    path: Path | str, *, place: Place | None = None, base: ModelIdentity | None = None, key: str = "", trainer: str = ""
) -> Adapter:
    """Read a LoRA file's header and work out what it says.

    Raises:
        AdapterError: the file can't be used as a LoRA.
    """
    file = open_adapter(path)
    identity = identify(file.denoiser, file.metadata)
    form, scales = format_of(file), scales_of(file)
    return Adapter(
        file,
        identity,
        form,
        scales,
        writer_of(file),
        trained_on(file.metadata),
        loadings(Case(file, identity, form, scales)),
        place or Place(Document(str(path), b"", "safetensors"), Span(0, 0)),
        base,
        None,
        key,
        trainer,
    )


class Coverage(NamedTuple):
    """How much of a model a file trains: layers and blocks reached, and the share of all weights in those layers."""

    layers: int
    layers_total: int
    blocks: int
    blocks_total: int
    weights_share: float


def coverage_of(adapter: Adapter) -> Coverage | None:
    """Coverage of the denoiser; None where the model is not known."""
    if not adapter.identity.label:
        return None
    ids = adapter.identity.candidates
    return _coverage(next(i for i in ids if BY_ID[i].label == adapter.identity.label), adapter.file.outline)


@lru_cache(maxsize=32)
def _coverage(model_id: str, outline: Outline) -> Coverage:
    weights, blocks, total = _sizes(model_id)
    reached = set(chain.from_iterable(_reach(model_id).all(outline.columns.stem)))
    share = sum(map(weights.__getitem__, reached)) / total
    touched = set(map(blocks.__getitem__, reached)) - {None}
    return Coverage(len(reached), len(weights), len(touched), len({*blocks.values()} - {None}), share)


@cache
def _reach(model_id: str) -> Kept[str, tuple[str, ...]]:
    """The model's layers that one layer of a file changes: a fused one reaches several."""
    weights, naming = _sizes(model_id)[0], BY_ID[model_id].naming

    def reached(stem: str) -> tuple[str, ...]:
        part, _, name = layer_of(stem)
        place = names.find(naming, name) if part == DENOISER else None
        parts = () if place is None else place.pair.parts if place.whole else (place.dotted,)
        return tuple([each for each in parts if each in weights])

    return Kept(reached)


@cache
def _sizes(model_id: str) -> tuple[dict[str, int], dict[str, str | None], int]:
    """Weights and block of each of a model's layers, and all weights."""
    from lora_doctor.models.modules import table, weights

    modules = table(model_id, "diffusers")
    sizes = {m.name: weights(m) for m in modules}
    return sizes, {m.name: m.block for m in modules}, sum(sizes.values())
