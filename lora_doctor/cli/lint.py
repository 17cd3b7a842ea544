"""`lora-doctor lint`: judge configs, show what was found, and mend what can be mended."""

from __future__ import annotations

from typing import Any

import click


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(), metavar="PATH...")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "concise", "json", "sarif", "github"]),
    default="text",
    show_default=True,
    help="How findings are shown.",
)
@click.option("-o", "--output", type=click.Path(), help="Write the report to this file.")
@click.option("--select", multiple=True, metavar="RULES", help="Only these rules, topics or levels.")
@click.option("--ignore", multiple=True, metavar="RULES", help="Not these.")
@click.option("--fix", is_flag=True, help="Apply the safe fixes.")
@click.option("--unsafe-fixes", is_flag=True, help="With --fix or --diff: also fixes that may change what you meant.")
@click.option("--diff", is_flag=True, help="Show what the fixes would change, and write nothing.")
@click.option("--trainer", metavar="NAME", help="Read every file as this trainer's.")
@click.option("--no-dataset", is_flag=True, help="Leave the image folders alone.")
@click.option("--environment", is_flag=True, help="Look at the packages and the GPU of this machine too.")
@click.option("--against", metavar="REV", help="Compare with this git revision.")
@click.option("--baseline", type=click.Path(), help="Leave out the findings that stand in this file.")
@click.option("--write-baseline", is_flag=True, help="Write all findings to the baseline, and show none.")
@click.option("--statistics", is_flag=True, help="Count findings by rule.")
@click.option("--skip-unrecognised", is_flag=True, help="Pass over named files that are no trainer's configs.")
@click.option("--stdin-filename", metavar="NAME", help="What the file read from `-` is called.")
@click.option("--config", type=click.Path(), help="Take the settings from this file.")
@click.option("--isolated", is_flag=True, help="Take no settings from any file.")
def lint(**options: Any) -> int:
    """Find what will crash, be ignored or waste the run in training configs: files, folders, or `-`.

    Without a path, this folder is searched. Exit code: 0 nothing or notes only, 1 warnings or errors, 2 lora-doctor
    could not work.
    """
    from lora_doctor.cli.linting import Request, run

    return run(Request(**options))
