"""`lora-doctor trainers`: what each trainer has, side by side."""

from __future__ import annotations

import sys

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs, with the source of every cell.")
@click.option("--markdown", is_flag=True, help="As a Markdown table.")
def trainers(as_json: bool, markdown: bool) -> None:
    """Compare the trainers: models, defaults, what each can do, with sources and the day they were read."""
    import json

    from lora_doctor import trainers as table

    if as_json:
        found = [
            {**column._asdict(), "cells": {name: cell._asdict() for name, cell in column.cells.items()}}
            for column in table.columns()
        ]
        click.echo(json.dumps({"version": 1, "features": table.features(), "trainers": found}, indent=2))
    elif markdown:
        click.echo(table.markdown(), nl=False)
    else:
        click.echo(_text(), color=True)


def _text() -> str:
    """One block per feature: a table of eight columns fits no terminal."""
    from lora_doctor import trainers as table
    from lora_doctor.cli.output import wants_colour
    from lora_doctor.report.terminal import paint

    colour, found = wants_colour(sys.stdout), table.columns()
    lines = []
    for feature in table.features():
        lines.append(paint(feature, "bold", colour))
        known = (column for column in found if feature in column.cells)
        lines += [f"  {column.trainer:<15} {column.cells[feature].text}" for column in known]
    lines.append(paint("read at", "bold", colour))
    lines += [f"  {column.trainer:<15} {column.source} {column.date}".rstrip() for column in found]
    return "\n".join(lines)
