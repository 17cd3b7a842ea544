"""`lora-doctor resize FILE --rank 16 --output NEW`."""

from __future__ import annotations

from pathlib import Path

import click

from lora_doctor.cli.adapters import dtype_option, opened, output_options, report, stored


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--rank", type=click.IntRange(min=1), help="Columns every layer keeps.")
@click.option(
    "--energy", type=click.FloatRange(0, 1, min_open=True), help="Share of squared strength each layer keeps."
)
@dtype_option
@output_options
def resize(
    file: Path, rank: int | None, energy: float | None, dtype: str | None, output: Path, overwrite: bool
) -> None:
    """Write the best approximation of a LoRA at a lower rank. A LoHa or LoKr becomes a plain LoRA."""
    if (rank is None) == (energy is None):
        raise click.UsageError("name either --rank or --energy")
    adapter = opened(file, output)
    from lora_doctor.adapter.combine import resize as write

    report(output, write(adapter, output, rank=rank, energy=energy, dtype=stored(dtype), overwrite=overwrite))
