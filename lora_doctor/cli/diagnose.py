"""`lora-doctor diagnose RUN_DIR`: symptoms of a finished or running training, with evidence, cause and fix."""

from __future__ import annotations

from typing import Any

import click


@click.command()
@click.argument("run_dir", type=click.Path())
@click.option("--config", type=click.Path(), metavar="FILE", help="The config it was trained with (else: beside it).")
@click.option("--dataset", type=click.Path(), metavar="DIR", help="The training images (else: as the config says).")
@click.option(
    "--purpose",
    type=click.Choice(["subject", "style", "domain", "complex-domain", "edit"]),
    help="What the LoRA is for; limits depend on it.",
)
@click.option("--json", "as_json", is_flag=True, help="Everything that was measured and judged, for programs.")
@click.option("--report", type=click.Path(), metavar="FILE", help="Write a page for people: one HTML file.")
@click.option("--plots", type=click.Path(), metavar="DIR", help="Write static plots (PNG) into this folder.")
@click.option("-o", "--output", type=click.Path(), help="Write the result to this file.")
@click.option("--select", multiple=True, metavar="RULES", help="Only these symptoms or levels.")
@click.option("--ignore", multiple=True, metavar="RULES", help="Not these.")
@click.option("--no-cache", is_flag=True, help="Measure everything anew, and keep nothing.")
def diagnose(**options: Any) -> int:
    """Say what is wrong with a training run, of any trainer: symptoms, evidence, since when, and the fix.

    RUN_DIR is the folder with checkpoints, samples and logs. Only files are read, nothing is fetched or changed.

    Exit code: 0 no symptom found, 1 symptoms, 2 lora-doctor could not work.
    """
    from lora_doctor.cli.diagnosing import Request, run

    return run(Request(**options))
