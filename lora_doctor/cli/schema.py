"""`lora-doctor schema`: the JSON Schema of lora-doctor's own config."""

from __future__ import annotations

import json

import click


@click.command()
def schema() -> None:
    """Print the JSON Schema of lora-doctor's own config, for editors (Taplo, Even Better TOML, YAML tools)."""
    from lora_doctor.dialects.native_schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
