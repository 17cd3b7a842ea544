"""`lora-doctor rules`."""

from __future__ import annotations

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--markdown", is_flag=True, help="As a table for a README.")
def rules(as_json: bool, markdown: bool) -> None:
    """List every rule: its level, the evidence it rests on, and whom it speaks of."""
    import json

    from lora_doctor import explain
    from lora_doctor.rule import all_rules

    found = all_rules()
    if as_json:
        text = json.dumps(explain.as_json(found), indent=2, ensure_ascii=False) + "\n"
    else:
        text = explain.as_table(found) if markdown else explain.as_list(found)
    click.echo(text, nl=False)
