"""`lora-doctor bake-alpha FILE --output NEW`."""

from __future__ import annotations

from pathlib import Path

import click

from lora_doctor.cli.adapters import dtype_option, opened, output_options, report, stored


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@dtype_option
@output_options
def bake_alpha(file: Path, dtype: str | None, output: Path, overwrite: bool) -> None:
    """Fold alpha into the weights, so that every program applies the trained strength."""
    adapter = opened(file, output)
    from lora_doctor.adapter.combine import bake

    report(output, bake(adapter, output, dtype=stored(dtype), overwrite=overwrite))
