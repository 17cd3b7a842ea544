"""Which layers of a model an adapter reaches, with the matching rules of PEFT and of ai-toolkit.

The tables (`modules.json`) hold every Linear and Conv2d of the denoisers; they are parsed when first asked for.
Shares are of the weights in those layers, biases and norms left out. A block is one transformer block; a UNet's
residual layers belong to none.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

_BLOCK = re.compile(
    r"(?:.*\.)?(?:single_transformer_blocks|transformer_blocks|double_blocks|single_blocks|blocks)\.\d+(?=\.)"
)
_SPLIT = re.compile(r"\.(?![^{]*\})")


class Module(NamedTuple):
    """One Linear (kernel None) or Conv2d layer, its transformer block's name (None outside blocks)."""

    name: str
    inputs: int
    outputs: int
    kernel: tuple[int, int] | None
    block: str | None


class Coverage(NamedTuple):
    """What a set of targets reaches in a model.

    weights_share: 0 to 1, weights of the matched layers by those of all. containers: matched names that are no
    layers but hold some (PEFT refuses them: "Target module ModuleList(...) is not supported"). unmatched: targets
    that match nothing, which PEFT accepts in silence as long as another one matches.
    """

    matched_modules: int
    total_modules: int
    blocks_reached: int
    blocks_total: int
    weights_share: float
    modules: tuple[Module, ...]
    containers: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()


class AdapterSize(NamedTuple):
    """Trainable parameters of a plain LoRA, and the bytes its tensors take on disk (headers not counted)."""

    parameters: int
    bytes: int


def model_ids() -> tuple[str, ...]:
    """Models that have a table; `families.model_id` gives these ids."""
    return tuple(_document()["models"])


def namings(model_id: str) -> tuple[str, ...]:
    """Namings of a model's layers: "diffusers" and "native" (Black Forest Labs, NVIDIA) or "sgm" (UNets)."""
    return tuple(_document()["models"][model_id])


@functools.cache
def table(model_id: str, naming: str = "diffusers") -> tuple[Module, ...]:
    """All Linear and Conv2d layers of a model; KeyError for a model or naming without a table."""
    rows = _document()["models"][model_id][naming]
    return tuple(layer(name, shape) for shape, patterns in rows for p in patterns for name in expand(p))


@functools.cache
def _document() -> Any:
    return json.loads((Path(__file__).parent / "modules.json").read_text(encoding="utf-8"))


def layer(name: str, shape: Sequence[int]) -> Module:
    """A layer by its numbers of inputs and outputs, and a convolution's kernel."""
    kernel = (shape[2], shape[3]) if len(shape) == 4 else None
    block = _BLOCK.match(name)
    return Module(name, shape[0], shape[1], kernel, block[0] if block else None)


def expand(pattern: str) -> list[str]:
    """Shell braces: "a.{0..1}.{b,c}" -> a.0.b, a.0.c, a.1.b, a.1.c."""
    return [".".join(parts) for parts in itertools.product(*map(_alternatives, _SPLIT.split(pattern)))]


def _alternatives(segment: str) -> list[str]:
    if not segment.startswith("{"):
        return [segment]
    numbers = re.fullmatch(r"\{(\d+)\.\.(\d+)\}", segment)
    if numbers:
        return [str(n) for n in range(int(numbers[1]), int(numbers[2]) + 1)]
    return segment[1:-1].split(",")


def weights(module: Module) -> int:
    """Weights of a layer, its bias left out."""
    kernel = module.kernel or (1, 1)
    return module.inputs * module.outputs * kernel[0] * kernel[1]


def coverage(
    model_id: str,
    targets: Sequence[str] | str,
    *,
    style: str = "peft",
    exclude: Sequence[str] | str = (),
    naming: str | None = None,
) -> Coverage:
    """What `targets` reach in a model.

    style "peft": a list matches whole name endings ("to_q" matches "x.to_q", not "x.add_to_q"), a string is one
    regular expression over the whole name, "all-linear" every Linear; `exclude` is read the same way. style
    "contains" (ai-toolkit's only_if_contains and ignore_if_contains): substrings of native names, within the
    transformer blocks only; no targets means all. Raises ValueError for a broken regular expression.
    """
    modules = table(model_id, naming or _naming(model_id, style))
    if style == "contains":
        return _contains(modules, _listed(targets), _listed(exclude))
    if style != "peft":
        raise ValueError(f"unknown matching style {style!r}")
    return cover(modules, targets, exclude)


def cover(modules: tuple[Module, ...], targets: Sequence[str] | str, exclude: Sequence[str] | str = ()) -> Coverage:
    """What PEFT's targets reach of these layers, as `coverage` says it of a known model."""
    names = [m.name for m in modules]
    containers = sorted({c for n in names for c in _parents(n)} - set(names))
    excluded = _peft(exclude)
    wanted = _peft(targets)
    hit = [m for m in modules if (wanted(m.name) if targets != "all-linear" else not m.kernel) and not excluded(m.name)]
    refused = [c for c in containers if wanted(c) and not excluded(c)] if targets != "all-linear" else []
    every = (*names, *containers)
    idle = [] if isinstance(targets, str) else [t for t in targets if not any(_ends(n, t) for n in every)]
    return _summary(modules, hit)._replace(containers=tuple(refused), unmatched=tuple(idle))


def _naming(model_id: str, style: str) -> str:
    return "native" if style == "contains" and model_id.startswith("flux2") else "diffusers"


def _listed(words: Sequence[str] | str) -> tuple[str, ...]:
    return (words,) if isinstance(words, str) else tuple(words)


def _parents(name: str) -> Iterable[str]:
    return (name[: dot.start()] for dot in re.finditer(r"\.", name))


def _peft(targets: Sequence[str] | str) -> Any:
    """PEFT's check_target_module_exists (peft/tuners/tuners_utils.py) as a predicate over names."""
    if isinstance(targets, str):
        try:
            whole = re.compile(targets)
        except re.error as problem:
            raise ValueError(f"{targets!r} is not a regular expression: {problem}") from problem
        return lambda name: whole.fullmatch(name) is not None
    return lambda name: any(_ends(name, t) for t in targets)


def _ends(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")


def _contains(modules: tuple[Module, ...], only: tuple[str, ...], ignore: tuple[str, ...]) -> Coverage:
    """ai-toolkit prefixes a transformer's names with "transformer." before it looks (toolkit/lora_special.py)."""
    inside = [m for m in modules if m.block or ".attentions." in m.name]
    full = {m.name: f"transformer.{m.name}" for m in inside}
    hit = [m for m in inside if not any(w in full[m.name] for w in ignore)]
    hit = [m for m in hit if not only or any(w in full[m.name] for w in only)]
    idle = tuple(w for w in only if not any(w in n for n in full.values()))
    return _summary(modules, hit)._replace(unmatched=idle)


def _summary(modules: tuple[Module, ...], hit: list[Module]) -> Coverage:
    total = sum(map(weights, modules))
    return Coverage(
        matched_modules=len(hit),
        total_modules=len(modules),
        blocks_reached=len({m.block for m in hit if m.block}),
        blocks_total=len({m.block for m in modules if m.block}),
        weights_share=sum(map(weights, hit)) / total if total else 0.0,
        modules=tuple(hit),
    )


def adapter_size(
    modules: Iterable[Module], rank: int, *, conv_rank: int | None = None, bytes_per_weight: int = 2
) -> AdapterSize:
    """Size of a plain LoRA of `rank` over `modules`; `conv_rank` is the rank of kernels larger than 1 x 1.

    A layer costs rank * (inputs * kernel area + outputs): the down matrix keeps the kernel, the up matrix is 1 x 1.
    """
    parameters = 0
    for module in modules:
        kernel = module.kernel or (1, 1)
        own = conv_rank if conv_rank is not None and kernel != (1, 1) else rank
        parameters += own * (module.inputs * kernel[0] * kernel[1] + module.outputs)
    return AdapterSize(parameters, parameters * bytes_per_weight)
