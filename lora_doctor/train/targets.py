"""Which layers of a denoiser an adapter sits on: `adapter.targets` and `adapter.exclude` as exact layer names.

PEFT takes a listed name for every name that ends so, containers included (`to_out` is a list in FLUX.2's double blocks
and a layer in its single ones), and says nothing of names that match nothing. Resolved here, they can't surprise it.
No torch: preflight asks the same question of a file's header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from lora_doctor.dialects.native import preset
from lora_doctor.models.modules import Coverage, Module, cover, layer
from lora_doctor.source.document import SourceError
from lora_doctor.train.job import Adapter


class UnfitError(SourceError):
    """A setting that can't be honoured with this model; `key` is the config's, and stands in the sentence."""

    def __init__(self, key: str, why: str, where: str = "") -> None:
        super().__init__(f"`{key}`{f' ({where})' if where else ''}: {why}")
        self.key = key
        self.why = why


def layers_of(shapes: Mapping[str, Sequence[int]]) -> tuple[Module, ...]:
    """The Linear and Conv2d layers among the tensors of a model, by the shapes of their weights."""
    weights = {name: shape for name, shape in shapes.items() if name.endswith(".weight") and len(shape) in (2, 4)}
    return tuple(layer(n.removesuffix(".weight"), (i, o, *kernel)) for n, (o, i, *kernel) in weights.items())


def reach(layers: tuple[Module, ...], adapter: Adapter) -> Coverage:
    """What the adapter sits on.

    Raises:
        UnfitError: the targets or a pattern match nothing, or a layer can't carry this kind of adapter.
    """
    named = preset(adapter.targets) if isinstance(adapter.targets, str) else None
    targets = named or adapter.targets
    try:
        found = cover(layers, targets, adapter.exclude)
    except ValueError as problem:
        raise UnfitError("adapter.targets", str(problem)) from problem
    if not found.modules:
        left = " after `adapter.exclude`" if adapter.exclude and cover(layers, targets).modules else ""
        raise UnfitError("adapter.targets", f"{_listed(targets)} matches no layer of the model{left}; {_names(layers)}")
    if found.unmatched and not named:
        lost = _listed(found.unmatched)
        raise UnfitError("adapter.targets", f"{lost} matches no layer of the model; {_names(layers)}")
    _check(found.modules, adapter)
    return found


def _check(reached: Iterable[Module], adapter: Adapter) -> None:
    names = [module.name for module in reached]
    for key, patterns in (("rank_pattern", adapter.rank_pattern), ("alpha_pattern", adapter.alpha_pattern)):
        for pattern in patterns:
            if not any(re.match(rf"(.*\.)?({pattern})$", name) for name in names):
                raise UnfitError(f"adapter.{key}", f"{pattern!r} matches none of the {len(names)} layers trained")
    depthwise = next((m.name for m in reached if m.kernel and m.kernel != (1, 1) and m.inputs == 1), None)
    if depthwise:
        what = f"{depthwise} is a depthwise convolution, which takes no adapter"
        raise UnfitError("adapter.targets", f"{what}: leave it out with `adapter.exclude`")


def _listed(targets: Sequence[str] | str) -> str:
    return repr(targets) if isinstance(targets, str) else ", ".join(map(repr, targets))


def _names(layers: Sequence[Module]) -> str:
    """The layers' last names: what a target may be."""
    short = sorted({re.sub(r"^(?:.*\.)?\d+\.(?=\D)", "", module.name) for module in layers})
    return f"its layers are {', '.join(short[:24])}" + (", ..." if len(short) > 24 else "")


def exactly(names: Sequence[str], every: Iterable[str]) -> list[str] | str:
    """`target_modules` that PEFT takes for these layers only: names, or where another ends so, one expression."""
    others = set(every) - set(names)
    if any(other.endswith(f".{name}") for name in names for other in others):
        return "|".join(map(re.escape, sorted(names)))
    return sorted(names)


def said(coverage: Coverage, numbers: int) -> str:
    """One sentence on what is trained; `numbers` are the adapter's trainable ones."""
    blocks = f" in {coverage.blocks_reached} of {coverage.blocks_total} blocks" if coverage.blocks_total else ""
    return (
        f"the adapter sits on {coverage.matched_modules} of {coverage.total_modules} layers{blocks}, which hold "
        f"{coverage.weights_share:.1%} of the weights; {numbers:,} numbers are trained"
    )
