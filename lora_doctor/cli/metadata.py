"""`lora-doctor metadata show|set|strip FILE`."""

from __future__ import annotations

from pathlib import Path

import click

from lora_doctor.cli.adapters import output_options


@click.group()
def metadata() -> None:
    """Show, set or strip the text entries of a LoRA file."""


@metadata.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def show(file: Path, as_json: bool) -> None:
    """Print every entry."""
    import json

    from lora_doctor.report.terminal import printable

    entries = _opened(file).file.metadata
    if as_json:
        click.echo(json.dumps(entries, indent=2, ensure_ascii=False))
        return
    for key, value in sorted(entries.items()):
        click.echo(f"{printable(key)}: {printable(value)}")


@metadata.command(name="set")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("entries", nargs=-1, required=True, metavar="KEY=VALUE...")
@output_options
def set_entries(file: Path, entries: tuple[str, ...], output: Path, overwrite: bool) -> None:
    """Write a copy with these entries set."""
    parts = [entry.partition("=") for entry in entries]
    if any(not key or not sign for key, sign, _ in parts):
        raise click.UsageError("write entries as KEY=VALUE")
    _rewrite(file, output, {key: value for key, _, value in parts}, (), overwrite)


@metadata.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@output_options
def strip(file: Path, keys: tuple[str, ...], output: Path, overwrite: bool) -> None:
    """Write a copy without these entries, or without any: prompts, paths and dataset names are in there.

    Alpha that stands in the metadata alone stays, or the LoRA would load at another strength: bake it first.
    """
    _rewrite(file, output, {}, keys or None, overwrite)


def _opened(file: Path):  # type: ignore[no-untyped-def]
    from lora_doctor.adapter.facts import examine
    from lora_doctor.adapter.read import AdapterError

    try:
        return examine(file)
    except AdapterError as error:
        raise AdapterError(f"{file}: {error.sentence}") from error


def _rewrite(file: Path, output: Path, new: dict[str, str], gone: tuple[str, ...] | None, overwrite: bool) -> None:
    from lora_doctor.adapter.copy import copy_with
    from lora_doctor.cli.output import tell

    adapter = _opened(file)
    kept = dict(adapter.file.metadata)
    removed = set(kept) - {"format"} if gone is None else set(gone)
    if gone is None and adapter.scales.source == "metadata" and adapter.scales.distinct != (1.0,):
        removed.discard("lora_adapter_metadata")
        tell(
            "lora_adapter_metadata stays: alpha stands there alone (`lora-doctor bake-alpha` folds it into the weights)"
        )
    copy_with(adapter.file, output, {**{k: v for k, v in kept.items() if k not in removed}, **new}, overwrite=overwrite)
    click.echo(f"{output}: {len(removed & set(kept))} entries removed, {len(new)} set")
