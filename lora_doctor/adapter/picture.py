"""A LoRA's strength by block: as bars of text, or as a PNG."""

from __future__ import annotations

import math
import re
from pathlib import Path

from lora_doctor.adapter.facts import Adapter
from lora_doctor.adapter.health import Health

_STEPS = " ▁▂▃▄▅▆▇█"


def heat_line(health: Health) -> list[str]:
    """One line for each kind of block: a character per block, its height by the norm of the block's changes."""
    blocks = health.blocks()
    top = max((n for n in blocks.values() if math.isfinite(n)), default=0.0)
    kinds: dict[str, list[float]] = {}
    for block, norm in blocks.items():
        kinds.setdefault(block.split(" ")[0], []).append(norm)
    width = max(map(len, kinds), default=0)
    return [
        f"{kind:<{width}}  {''.join(_bar(n, top) for n in norms)}  {_range(norms)}" for kind, norms in kinds.items()
    ]


def _bar(norm: float, top: float) -> str:
    if not math.isfinite(norm):
        return "!"
    return _STEPS[math.ceil(norm / top * (len(_STEPS) - 1))] if top and norm else "·"


def _range(norms: list[float]) -> str:
    finite = [n for n in norms if math.isfinite(n)]
    if not finite:
        return "NaN"
    low, high = min(finite), max(finite)
    return f"{low:.3g}" if len(norms) == 1 else f"{low:.3g} to {high:.3g}"


def heat_map(adapter: Adapter, output: Path) -> None:
    """Write a PNG: blocks across, kinds of layers down, the norm of each change as colour, a cross for NaN."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    from lora_doctor.adapter.write import replace

    assert adapter.health is not None
    columns = list(adapter.health.blocks())
    cells = _cells(adapter.health)
    rows = sorted({kind for kind, _ in cells})
    grid = [[cells.get((row, column), math.nan) for column in columns] for row in rows]
    figure, axes = pyplot.subplots(figsize=(max(6, 0.28 * len(columns) + 2), max(2.5, 0.28 * len(rows) + 1.5)))
    image = axes.imshow(grid, aspect="auto", cmap="viridis", vmin=0)
    axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=7)
    axes.set_yticks(range(len(rows)), rows, fontsize=7)
    axes.set_title(f"{adapter.file.path.name}: norm of each change", fontsize=9)
    for layer in adapter.health.broken:
        axes.plot(columns.index(layer.block), rows.index(kind_of(layer.name)), "x", color="red")
    figure.colorbar(image, ax=axes)
    figure.tight_layout()
    try:
        replace(output, lambda file: figure.savefig(file, format="png", dpi=120), overwrite=True)
    finally:
        pyplot.close(figure)


def _cells(health: Health) -> dict[tuple[str, str], float]:
    """Norm by kind of layer and block; NaN for a broken one."""
    cells: dict[tuple[str, str], float] = {}
    for layer in health.layers:
        where = (kind_of(layer.name), layer.block)
        cells[where] = math.hypot(cells.get(where, 0.0), layer.norm) if layer.finite else math.nan
    return cells


def kind_of(name: str) -> str:
    """A layer's name within its block: "attn.to_q", "img_mlp.0"."""
    tail = re.sub(r"^.*(?:blocks|layers|middle_block)[._]\d+[._]", "", name)
    return re.sub(r"^(?:attentions[._]|resnets[._])?\d+[._]", "", tail)
