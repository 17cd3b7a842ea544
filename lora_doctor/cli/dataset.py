"""`lora-doctor dataset`: look into every image and caption of a folder, or of the folders a config names."""

from __future__ import annotations

from typing import Any

import click


@click.command()
@click.argument("folder", required=False, type=click.Path())
@click.option("--config", "config", type=click.Path(), metavar="FILE", help="The config that trains on it.")
@click.option("--resolution", type=click.IntRange(64, 16384), metavar="N", help="Edge length in pixels (1024).")
@click.option("--trainer", metavar="NAME", help="The trainer that will read it.")
@click.option(
    "--purpose",
    type=click.Choice(["subject", "style", "domain", "complex-domain", "edit"]),
    help="What the LoRA is for.",
)
@click.option("--trigger", metavar="WORD", help="The word that calls the LoRA.")
@click.option("--batch", type=click.IntRange(1), metavar="N", help="Images per device and step.")
@click.option("--accumulation", type=click.IntRange(1), metavar="N", help="Micro-batches per optimiser step.")
@click.option("--masks", type=click.Path(), metavar="DIR", help="Folder of masks with the images' names.")
@click.option("--control", type=click.Path(), metavar="DIR", help="Folder of control images (before the edit).")
@click.option("--json", "as_json", is_flag=True, help="Everything that was measured, for programs.")
@click.option(
    "--report", type=click.Path(dir_okay=False), metavar="FILE", help="Write a page with pictures to this file."
)
@click.option("-o", "--output", type=click.Path(), help="Write the report to this file.")
@click.option("--select", multiple=True, metavar="RULES", help="Only these rules, topics or levels.")
@click.option("--ignore", multiple=True, metavar="RULES", help="Not these.")
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Processes that look at images (all cores).")
@click.option("--no-cache", is_flag=True, help="Measure everything anew, and keep nothing.")
def dataset(**options: Any) -> int:
    """Look into every image and caption of a folder: what is broken, repeated, cropped, blurred or never trained.

    Exit code: 0 nothing or notes only, 1 warnings or errors, 2 lora-doctor could not work.
    """
    from lora_doctor.cli.examining import Request, run

    return run(Request(**options))
