"""`lora-doctor translate CONFIG --to TRAINER`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lora_doctor.cli.plan import read_plans
from lora_doctor.cli.writing import file_name, loss_lines, place_of, shown, write_files
from lora_doctor.source.document import SourceError

if TYPE_CHECKING:
    from lora_doctor.plan import Plan
    from lora_doctor.translate import Translation


@click.command()
@click.argument("config", type=click.Path(dir_okay=False))
@click.option("--to", "to", required=True, help="The trainer to write for; see `lora-doctor trainers`.")
@click.option("--output", "-o", help="Folder of the new files, or the main file's path; printed without it.")
@click.option("--run", "run_number", type=click.IntRange(min=1), help="Which run, where the file holds several.")
@click.option("--trainer", help="Read CONFIG as this trainer's.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@click.option(
    "--json", "as_json", is_flag=True, help="What changed, for programs; with --output the files are written."
)
def translate(
    config: str,
    to: str,
    output: str | None,
    run_number: int | None,
    trainer: str | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write CONFIG as another trainer's config, and tell what can't be said there.

    Learning rate, alpha and exposures come out as the new trainer computes them; what was written is read back and
    compared before it is shown.
    """
    from lora_doctor import translate as work

    target = work.target(to)
    try:
        document, plans = read_plans(config, trainer)
        plan = _chosen(plans, run_number)
        name = file_name(str(plan.saving.name.value or Path(config).name.partition(".")[0]))
        folder, name = place_of(output, name) if output else (Path(), name)
        head = (
            f"translated from {Path(config).name} ({plan.trainer}) by lora-doctor; comments say which key a value was"
        )
        beside = Path(document.name).absolute().parent
        made = work.translate(plan, target, folder, name, head=head, beside=beside)
    except SourceError as error:
        raise SourceError(f"{config}: {error.sentence}") from None
    if output:
        write_files(folder, made.files, overwrite=overwrite)
    if as_json:
        _print_json(made)
        return
    if not output:
        _print_files(made)
    for line in _report(made, folder if output else None):
        click.echo(line, err=not output)


def _chosen(plans: tuple[Plan, ...], number: int | None) -> Plan:
    runs = [plan for plan in plans if plan.training] or list(plans)
    if number is not None and number > len(runs):
        raise SourceError(f"holds {len(runs)} runs, there is no run {number}")
    if number is None and len(runs) > 1:
        raise SourceError(f"holds {len(runs)} runs: choose one with --run 1 to {len(runs)}")
    return runs[(number or 1) - 1]


def _print_files(made: Translation) -> None:
    for file in (each for each in made.files if each.source is None):
        if len(made.files) > 1:
            click.echo(f"--- {file.name}")
        click.echo(file.text, nl=False)


def _report(made: Translation, folder: Path | None) -> list[str]:
    lines = [] if folder is None else [f"written: {folder / file.name}" for file in made.files if file.source is None]
    lost = loss_lines(made)
    lines.append(f"comes out otherwise with {made.trainer}:" if lost else f"nothing is lost with {made.trainer}")
    lines += [f"  {line}" for line in lost]
    if made.facts:
        lines.append("what follows:")
        lines += [f"  {each.title}: {shown(each.first)} -> {shown(each.second)}" for each in made.facts]
    if made.left:
        lines.append(f"left to {made.trainer}: {', '.join(dict.fromkeys(each.title for each in made.left))}")
    return lines


def _print_json(made: Translation) -> None:
    import json

    document: dict[str, Any] = {
        "version": 1,
        "trainer": made.trainer,
        "files": {file.name: file.text for file in made.files if file.source is None},
        "lost": [
            {
                "field": each.field,
                "wanted": each.wanted.value,
                "key": each.wanted.key or None,
                "got": each.got.value,
                "consequence": each.consequence,
            }
            for each in made.lost
        ],
        "left": [each.field for each in made.left],
        "chosen": {each.field: each.second.value for each in made.chosen},
        "derived": {each.name: [each.first, each.second] for each in made.facts},
    }
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str))
