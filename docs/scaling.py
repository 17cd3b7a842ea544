"""Writes the tables of `docs/scaling.md`, derived from the models' own: `python docs/scaling.py` (a test compares).

Nothing is measured here and nothing promised: bytes and multiplications are counted, what a card and a wire can do is
its maker's number, and how much of it is reached is an assumption that stands in the heading.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lora_doctor.models.families import FAMILIES, Size
from lora_doctor.models.modules import Module, adapter_size, table
from lora_doctor.train.cut import cut

PAGE = Path(__file__).parent / "scaling.md"
EDGE, RANK = 1024, 16
REACHED = 0.4  # of the card's dense bf16 rate; an assumption
RATE = 989e12  # H100 SXM, dense bf16, multiply-adds counted as two (NVIDIA's data sheet)
WIRES = {"NVLink 4": 450e9, "PCIe 4.0 x16": 25e9, "400 Gb/s": 50e9, "25 Gb/s": 3.1e9, "10 Gb/s": 1.25e9}  # B/s each way
KEPT = 34  # bytes per token and channel that a block keeps for its backward pass (arXiv:2205.05198)


class Cost(NamedTuple):
    """One image's step. Parameters: `base`, `adapter`, `each` block in order. `flops` forward; `tokens`; `width`."""

    base: int
    adapter: int
    each: tuple[int, ...]
    flops: float
    tokens: int
    width: int

    @property
    def blocks(self) -> int:
        """How many."""
        return len(self.each)


def cost(size: Size) -> Cost:
    """Counted from the table of the model's layers."""
    layers, text = table(size.id), FAMILIES["flux2-klein"].prompt_tokens
    image = (EDGE // 16) ** 2
    tokens, blocks = image + text, sum(size.blocks)
    flops = sum(2.0 * each.inputs * each.outputs * _rows(each, image, text) for each in layers)
    flops += blocks * 4.0 * tokens**2 * size.width  # scores and their mixture, each 2 n^2 d
    weights: dict[str, int] = {}
    for each in layers:
        if "blocks." in each.name:
            name = ".".join(each.name.split(".")[:2])
            weights[name] = weights.get(name, 0) + each.inputs * each.outputs
    adapter = adapter_size(layers, RANK).parameters
    each_block = tuple(weights[name] for name in sorted(weights, key=_order))
    return Cost(size.parameters or 0, adapter, each_block, flops, tokens, size.width)


def _order(name: str) -> tuple[bool, int]:
    """Blocks of two streams come first."""
    kind, _, number = name.partition(".")
    return kind.startswith("single"), int(number)


def _rows(layer: Module, image: int, text: int) -> int:
    """How many tokens go through a layer: of the image, the text, both, or one vector."""
    name = layer.name
    if "modulation" in name or "embed.timestep" in name or name.startswith("norm_out"):
        return 1
    if any(part in name for part in ("add_q", "add_k", "add_v", "to_add_out", "ff_context", "context_embedder")):
        return text
    return image + text if name.startswith("single") else image


def memory(found: Cost, stored: float, shards: int) -> float:
    """Bytes on each card: base or its part, two blocks put together, adapter with gradients and AdamW, activations."""
    base = found.base * stored / shards + (2 * max(found.each) * stored if shards > 1 else 0)
    adapter = found.adapter * (4 + 4 + 8)
    activations = found.tokens * found.width * (2 * found.blocks + KEPT)
    return base + adapter + activations


def stage(found: Cost, stored: float, stages: int) -> float:
    """Bytes on the card of the largest stage, with an image on its way for each stage: the first holds that many.

    What lies around the blocks, and the adapter with gradients and AdamW, is whole on every card.
    """
    ends = (*cut(found.each, stages), found.blocks)
    largest = max(range(stages), key=lambda n: sum(found.each[ends[n] : ends[n + 1]]))
    own = found.each[ends[largest] : ends[largest + 1]]
    base = (found.base - sum(found.each) + sum(own)) * stored
    activations = found.tokens * found.width * (2 * len(own) * stages + KEPT)
    return base + found.adapter * (4 + 4 + 8) + activations


def handed(found: Cost) -> float:
    """Bytes from a stage to the next of one image, and again of its gradient: text and image tokens in bf16."""
    return 2 * 2.0 * found.tokens * found.width


def step(found: Cost) -> float:
    """Seconds of one image: forward, again for the backward pass, and gradients of activations (weights have none)."""
    return 3 * found.flops / (REACHED * RATE)


def exchanged(found: Cost, cards: int) -> float:
    """Bytes each card sends for the gradients of a step: a ring's all-reduce of the adapter in fp32."""
    return 2 * (cards - 1) / cards * found.adapter * 4


def gathered(found: Cost, stored: float, cards: int) -> float:
    """Bytes each card receives for the base of a micro-batch: all of it, forward and backward."""
    return 2 * (cards - 1) / cards * found.base * stored


def models() -> Iterator[tuple[str, Cost]]:
    """Both sizes."""
    for size in FAMILIES["flux2-klein"].sizes:
        yield f"Klein {size.name}", cost(size)


def memories() -> Iterator[str]:
    """GB per card."""
    yield "| GB on each card | base in bf16 | sharded over 2 | over 8 | base in fp8 | sharded over 2 | over 8 |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    for name, found in models():
        cells = [memory(found, stored, shards) / 1e9 for stored in (2, 1) for shards in (1, 2, 8)]
        yield f"| {name} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |"


def stages() -> Iterator[str]:
    """GB on the card that holds most, and the time on the wire by that of one stage's computation."""
    yield "| GB on the fullest card | bf16, 2 stages | 4 | 8 | fp8, 2 stages | 4 | 8 | wire of 25 GB/s, 4 stages |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    for name, found in models():
        cells = [stage(found, stored, count) / 1e9 for stored in (2, 1) for count in (2, 4, 8)]
        wire = handed(found) / WIRES["PCIe 4.0 x16"] / (step(found) / 4)
        yield f"| {name} | " + " | ".join(f"{cell:.1f}" for cell in cells) + f" | {wire:.1%} |"


def busy() -> Iterator[str]:
    """Share of the time that a card computes: m images through s stages take m + s - 1 turns."""
    counts = (1, 2, 4, 8, 16)
    yield "| a card computes, of the time | " + " | ".join(f"{n} image{'s' * (n > 1)} a step" for n in counts) + " |"
    yield "|---|" + "--:|" * len(counts)
    for each in (2, 4, 8):
        yield f"| {each} stages | " + " | ".join(f"{n / (n + each - 1):.0%}" for n in counts) + " |"


def rates() -> Iterator[str]:
    """Images per second of all cards."""
    yield "| images per second at most | TFLOP per image | 1 card | 2 | 8 | 4 machines of 8 |"
    yield "|---|--:|--:|--:|--:|--:|"
    for name, found in models():
        cells = [cards / step(found) for cards in (1, 2, 8, 32)]
        yield f"| {name} | {3 * found.flops / 1e12:.0f} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |"


def wires() -> Iterator[str]:
    """Communication by the time of computing one image per card."""
    yield "| time on the wire, by that of one image per card | " + " | ".join(WIRES) + " |"
    yield "|---|" + "--:|" * len(WIRES)
    for name, found in models():
        for what, amount in (
            (f"{name}, gradients of 8 cards", exchanged(found, 8)),
            (f"{name}, sharded over 8, bf16", gathered(found, 2, 8)),
            (f"{name}, sharded over 8, fp8", gathered(found, 1, 8)),
        ):
            cells = [amount / wire / step(found) for wire in WIRES.values()]
            yield f"| {what} | " + " | ".join(f"{cell:.1%}" if cell < 0.1 else f"{cell:.0%}" for cell in cells) + " |"


TABLES = {"memory": memories, "stages": stages, "busy": busy, "rates": rates, "wires": wires}


def with_tables(page: str) -> str:
    """The page with its tables made anew."""
    for name, rows in TABLES.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        page = before + begin + "\n".join(rows()) + "\n" + end + after
    return page


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
