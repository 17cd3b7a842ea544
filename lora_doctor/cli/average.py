"""`lora-doctor average A B C --output NEW`."""

from __future__ import annotations

from pathlib import Path

import click

from lora_doctor.cli.adapters import dtype_option, opened, output_options, report, stored


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--rank", type=click.IntRange(min=1), help="Of the result; that of the largest by default.")
@dtype_option
@output_options
def average(files: tuple[str, ...], rank: int | None, dtype: str | None, output: Path, overwrite: bool) -> None:
    """Average neighbouring checkpoints: the mean of their changes, not of their factors."""
    if len(files) < 2:
        raise click.UsageError("an average needs two files or more")
    adapters = [opened(path, output) for path in files]
    from lora_doctor.adapter.combine import average as write

    report(output, write(adapters, output, rank=rank, dtype=stored(dtype), overwrite=overwrite))
