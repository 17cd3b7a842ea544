"""`lora-doctor calibrate LABELS`: limits of your own, from runs that you have judged."""

from __future__ import annotations

from typing import Any

import click


@click.command()
@click.argument("labels", type=click.Path())
@click.option(
    "--base",
    type=click.Path(),
    is_flag=False,
    flag_value="",
    metavar="[FOLDER]",
    help="Ask the base model about each run too, as `diagnose --base` does.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    default="lora-doctor-limits.json",
    show_default=True,
    metavar="FILE",
    help="Where the limits are written.",
)
@click.option("--dry-run", is_flag=True, help="Show the limits and write nothing.")
def calibrate(**options: Any) -> int:
    """Fit the limits that `diagnose` judges by to runs that you have judged yourself.

    LABELS is a TOML file with a table for each run:

    \b
    [[run]]
    folder = "output/zwx-1"                        # beside this file
    present = ["training-images-reproduced"]       # symptoms you saw (`lora-doctor rules symptoms`)
    absent = ["prompt-ignored"]                    # that you looked for and did not see; "others": all others
    best = 1500                                    # the checkpoint you would keep, if you know

    A symptom needs three runs with it and three without. `diagnose` reads the limits where the project's settings name
    the file: limits = "lora-doctor-limits.json".

    Exit code: 0 limits were found, 2 lora-doctor could not work.
    """
    from lora_doctor.cli.calibrating import Request, run

    return run(Request(**options))
