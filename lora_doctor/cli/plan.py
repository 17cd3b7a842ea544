"""`lora-doctor plan CONFIG`: what the config comes to, each value with where it came from."""

from __future__ import annotations

import json
from typing import Any

import click

from lora_doctor.describe import derived_facts, plan_rows
from lora_doctor.dialects import recognise
from lora_doctor.dialects.reader import Reader
from lora_doctor.plan import Plan
from lora_doctor.source.document import Document, SourceError
from lora_doctor.source.read import read_file


@click.command()
@click.argument("config", type=click.Path(dir_okay=False, path_type=None))
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.option("--trainer", help="Read it as this trainer's config.")
@click.option("--no-dataset", is_flag=True, help="Leave the image folders alone.")
def plan(config: str, as_json: bool, trainer: str | None, no_dataset: bool) -> None:
    """Print what CONFIG will train: one vocabulary for every trainer, each value with its provenance."""
    try:
        document, plans = read_plans(config, trainer, datasets=not no_dataset)
    except SourceError as error:
        raise SourceError(f"{config}: {error.sentence}") from None
    if as_json:
        click.echo(json.dumps({"version": 1, "plans": [_json(each) for each in plans]}, indent=2, ensure_ascii=False))
        return
    for each in plans:
        click.echo(_text(each, document))


def read_plans(config: str, trainer: str | None = None, *, datasets: bool = True) -> tuple[Document, tuple[Plan, ...]]:
    """The plans of one file.

    Raises:
        SourceError: the file can't be read, is no trainer's config, or holds no plan.
    """
    from pathlib import Path

    document = read_file(Path(config))
    known = recognise(document, trainer)
    if known is None:
        raise SourceError("is no config of a trainer lora-doctor knows; see `lora-doctor lint --help` for --trainer")
    plans = known[0].read(document, known[1], Reader(datasets=datasets))
    if not plans:
        raise SourceError(f"is a {known[1]} file of {known[0].TRAINER}: it holds nothing to train")
    return document, plans


def _json(each: Plan) -> dict[str, Any]:
    rows = {
        field: {"value": setting.value, "origin": setting.origin, "key": setting.key or None}
        for field, setting in plan_rows(each)
    }
    return {"trainer": each.trainer, "kind": each.kind, "settings": rows, "derived": derived_facts(each)}


def _text(each: Plan, document: Document) -> str:
    lines = [click.style(f"{document.name}: {each.kind} with {each.trainer}", bold=True)]
    for field, setting in plan_rows(each):
        if setting.origin == "unknown":
            continue
        value = json.dumps(setting.value, ensure_ascii=False) if not isinstance(setting.value, str) else setting.value
        place = _place(setting, document) if setting.written else f"{each.trainer}'s default"
        lines.append(f"  {field:<36} {value:<40.40} {click.style(place, dim=True)}".rstrip())
    lines.append(click.style("derived", bold=True))
    for name, value in derived_facts(each).items():
        lines.append(f"  {name:<36} {'unknown' if value is None else value}")
    return "\n".join(lines)


def _place(setting: Any, document: Document) -> str:
    place = setting.place
    if place is None:
        return setting.key or ""
    where = "" if place.document is document else f"{place.document.name}:"
    return f"{where}line {place.document.position(place.span.start).line}, {setting.key}"
