"""`lora-doctor convert FILE --to diffusers --output NEW`."""

from __future__ import annotations

from pathlib import Path

import click

from lora_doctor.cli.adapters import opened, output_options

TARGETS = ("diffusers", "comfyui", "kohya")


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--to", "target", required=True, type=click.Choice(("diffusers", "comfyui", "kohya")), help="Whose names."
)
@output_options
def convert(file: Path, target: str, output: Path, overwrite: bool) -> None:
    """Write a LoRA with another program's names. Factors keep every bit; alpha goes where that program reads it."""
    adapter = opened(file, output)
    from lora_doctor.adapter.convert import convert as write
    from lora_doctor.cli.output import tell

    done = write(adapter, target, output, overwrite=overwrite)
    click.echo(f"{output}: {done.layers} {'layer' if done.layers == 1 else 'layers'} with the names of {target}")
    for note in done.notes:
        tell(note)
