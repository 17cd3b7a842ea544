"""`lora-doctor inspect FILE...`: what a LoRA is, where it loads, and how it is."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lora_doctor.adapter.facts import Adapter
    from lora_doctor.adapter.series import Series
    from lora_doctor.models.identify import ModelIdentity
    from lora_doctor.result import Found


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--base", metavar="MODEL", help="Say whether it fits this model (a path, or a name).")
@click.option("--weights", is_flag=True, help="Read the weights: dead and broken layers, spectra, strength by block.")
@click.option("--png", type=click.Path(dir_okay=False, path_type=Path), help="Write a heat map by block (one file).")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def inspect(files: tuple[str, ...], base: str | None, weights: bool, png: Path | None, as_json: bool) -> int:
    """Say what LoRA FILEs are: model, format, rank, scale; which programs load them, and the command that repairs them.

    The header alone answers; --weights reads on. Several checkpoints of one run are compared in their order. Exits 1
    on errors and warnings, 2 for a file that is no LoRA.
    """
    from lora_doctor.adapter.extra import need
    from lora_doctor.adapter.read import AdapterError
    from lora_doctor.cli.adapters import uncollected
    from lora_doctor.cli.output import tell
    from lora_doctor.models.identify import identify

    if png and len(files) > 1:
        raise click.UsageError("--png draws one file")
    if png and png.suffix.lower() != ".png":
        raise click.UsageError(f"--png writes a picture: give {png.name} the ending .png")
    if weights or png:
        need("numpy", "ml_dtypes", *(("matplotlib",) if png else ()))
    model = identify(base) if base else None
    adapters, refused = [], False
    reads = weights or png is not None
    with nullcontext() if reads else uncollected():
        for name in files:
            try:
                adapters.append(_examine(Path(name), base, model, reads))
            except AdapterError as error:
                tell(f"{name}: {error.sentence}")
                refused = True
    if png and adapters:
        from lora_doctor.adapter.picture import heat_map

        heat_map(adapters[0], png)
    wrong = _report(adapters, model, as_json=as_json)
    return 2 if refused else int(wrong)


def _report(adapters: list[Adapter], model: ModelIdentity | None, *, as_json: bool) -> bool:
    """Print everything; True where a rule found an error or a warning."""
    import json
    import sys

    from lora_doctor.adapter import describe
    from lora_doctor.adapter.fit import fit
    from lora_doctor.adapter.judge import judge
    from lora_doctor.adapter.series import series_of
    from lora_doctor.cli.output import tell_problems, wants_colour

    findings: list[Found] = []
    results = []
    for adapter in adapters:
        found, problems = judge([adapter], str(adapter.file.path))
        tell_problems(problems)
        findings += found
        suits = fit(adapter.identity, model) if model else None
        if as_json:
            results.append(describe.as_json(adapter, suits, list(found)))
        else:
            click.echo(describe.text(adapter, suits, list(found), colour=wants_colour(sys.stdout)), color=True)
    series = series_of(adapters)
    repeated = judge([series])[0] if series else ()
    findings += repeated
    if as_json:
        document = describe.plain(_document(results, series, repeated))
        click.echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))
    elif series:
        click.echo(describe.series_text(series))
        for each in repeated:
            click.echo(f"  {each.level}[{each.rule.id}] {each.finding.sentence}")
    return any(each.level in ("error", "warning") for each in findings)


def _examine(path: Path, base: str | None, model: ModelIdentity | None, weights: bool) -> Adapter:
    from lora_doctor.adapter.facts import examine

    adapter = examine(path, base=model)
    if not weights:
        return adapter
    from lora_doctor.adapter.health import measure

    adapter = adapter._replace(health=measure(adapter))
    if base and Path(base).exists():
        from lora_doctor.adapter.strength import with_ratios

        adapter = adapter._replace(health=with_ratios(adapter, Path(base)) or adapter.health)
    return adapter


def _document(results: list[dict[str, Any]], series: Series | None, repeated: Sequence[Found]) -> dict[str, Any]:
    from lora_doctor.adapter.describe import SCHEMA_VERSION

    together = None
    if series:
        together = {
            "files": [str(a.file.path) for a in series.adapters],
            "norms": series.norms,
            "blocks": series.growth(),
            "findings": [{"rule": f.rule.id, "level": f.level, "message": f.finding.message} for f in repeated],
        }
    return {"version": SCHEMA_VERSION, "files": results, "series": together}
