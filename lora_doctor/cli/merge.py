"""`lora-doctor merge A:0.8 B:0.5 --output NEW`."""

from __future__ import annotations

import math
from pathlib import Path

import click

from lora_doctor.cli.adapters import dtype_option, opened, output_options, report, stored


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE[:WEIGHT]...")
@click.option("--rank", type=click.IntRange(min=1), help="Approximate the sum at this rank; exact by default.")
@click.option("--energy", type=click.FloatRange(0, 1, min_open=True), help="Or keep this share of squared strength.")
@dtype_option
@output_options
def merge(
    files: tuple[str, ...],
    rank: int | None,
    energy: float | None,
    dtype: str | None,
    output: Path,
    overwrite: bool,
) -> None:
    """Add LoRAs up, each with a weight (1 where none is written). The names are those of the first file.

    Exact by default: the ranks add up. --rank or --energy makes the best approximation of the sum.
    """
    if rank is not None and energy is not None:
        raise click.UsageError("name either --rank or --energy")
    parts = [weighted(text) for text in files]
    adapters = [opened(path, output) for path, _ in parts]
    from lora_doctor.adapter.combine import Member
    from lora_doctor.adapter.combine import merge as write

    members = [Member(adapter, weight) for adapter, (_, weight) in zip(adapters, parts)]
    report(output, write(members, output, rank=rank, energy=energy, dtype=stored(dtype), overwrite=overwrite))


def weighted(text: str) -> tuple[str, float]:
    """`style.safetensors:0.8`; a colon that no number follows belongs to the path."""
    path, colon, number = text.rpartition(":")
    try:
        weight = float(number) if colon else math.nan
    except ValueError:
        weight = math.nan
    if math.isfinite(weight) and path:
        return path, weight
    return text, 1.0
