"""Two training configs: each setting that differs, in the user's words, with both keys and where they stand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lora_doctor.cli.output import wants_colour
from lora_doctor.cli.plan import read_plans
from lora_doctor.cli.writing import shown
from lora_doctor.report.terminal import paint
from lora_doctor.source.document import SourceError

if TYPE_CHECKING:
    from lora_doctor.compare import Comparison
    from lora_doctor.plan import Plan
    from lora_doctor.setting import Setting


def diff_configs(first: Path, second: Path, as_json: bool) -> int:
    """Print what differs; 0 where the two do the same, else 1."""
    from lora_doctor.compare import compare

    one, other = _plan(first), _plan(second)
    found = compare(one, other)
    if as_json:
        click.echo(json.dumps(_json(found), indent=2, ensure_ascii=False, default=str))
    else:
        _print(found, one, other)
    return int(not found.equal)


def _plan(path: Path) -> Plan:
    try:
        _, plans = read_plans(str(path))
    except SourceError as error:
        raise SourceError(f"{path}: {error.sentence}") from None
    runs = [plan for plan in plans if plan.training] or list(plans)
    if len(runs) > 1:
        raise SourceError(f"{path} holds {len(runs)} runs: diff compares files with one each")
    return runs[0]


def _print(found: Comparison, one: Plan, other: Plan) -> None:
    colour = wants_colour(sys.stdout)
    if found.equal:
        click.echo(f"the two do the same ({one.trainer}, {other.trainer})")
        return
    for plan, sign in ((one, "-"), (other, "+")):
        click.echo(paint(f"{sign} {plan.config.document.name} ({plan.trainer})", "bold", colour), color=True)
    for each in found.settings:
        click.echo(paint(each.title, "bold", colour), color=True)
        click.echo(_side("-", each.first, one, colour), color=True)
        click.echo(_side("+", each.second, other, colour), color=True)
    if found.facts:
        click.echo(paint("what follows", "bold", colour), color=True)
    for fact in found.facts:
        click.echo(f"  {fact.title}: {shown(fact.first)} -> {shown(fact.second)}")


def _side(sign: str, setting: Setting[Any], plan: Plan, colour: bool) -> str:
    value = shown(setting.value) if setting.value is not None else "not known, or there is no such setting"
    return f"  {sign} {value:<40} {paint(_origin(setting, plan), 'dim', colour)}".rstrip()


def _origin(setting: Setting[Any], plan: Plan) -> str:
    """The key and its line, or whose default it is."""
    if setting.value is None or setting.origin == "counted":
        return ""
    if not setting.written or setting.place is None:
        return f"{plan.trainer}'s default" + (f" for `{setting.key}`" if setting.key else "")
    document = setting.place.document
    where = "" if document is plan.config.document else f"{document.name}:"
    return f"{where}line {document.position(setting.place.span.start).line}, {setting.key}"


def _json(found: Comparison) -> dict[str, Any]:
    def side(setting: Setting[Any]) -> dict[str, Any]:
        line = None
        if setting.written and setting.place is not None:
            line = setting.place.document.position(setting.place.span.start).line
        return {"value": setting.value, "key": setting.key or None, "origin": setting.origin, "line": line}

    return {
        "version": 1,
        "equal": found.equal,
        "settings": [
            {"field": each.field, "title": each.title, "first": side(each.first), "second": side(each.second)}
            for each in found.settings
        ],
        "derived": [fact._asdict() for fact in found.facts],
    }
