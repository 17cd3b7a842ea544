"""`lora-doctor explain RULE`."""

from __future__ import annotations

import click


@click.command()
@click.argument("rule")
def explain(rule: str) -> None:
    """Tell why RULE exists, what to do instead, and where that is known from."""
    import sys

    from lora_doctor.cli.output import terminal_width, wants_colour
    from lora_doctor.explain import as_text
    from lora_doctor.selection import find_rule, resolve
    from lora_doctor.source.document import SourceError

    (selector, *others) = resolve([rule]) or [None]
    found = find_rule(selector.name) if selector and selector.kind == "rule" and not others else None
    if found is None:
        raise SourceError(f"`{rule}` is no rule; `lora-doctor rules` lists them all")
    colour = wants_colour(sys.stdout)
    click.echo(as_text(found, width=min(100, terminal_width()), colour=colour), nl=False, color=True)
