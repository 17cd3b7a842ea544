"""What `lora-doctor inspect` says about a file, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Any

from lora_doctor.adapter.facts import Adapter, coverage_of
from lora_doctor.adapter.fit import Fit
from lora_doctor.adapter.loaders import Loading
from lora_doctor.adapter.series import Series
from lora_doctor.report.terminal import paint, printable
from lora_doctor.result import Found

SCHEMA_VERSION = 1
MAX_VALUE = 100  # characters of a metadata entry


def text(adapter: Adapter, fit: Fit | None, found: list[Found], *, colour: bool) -> str:
    """Everything known about one file, for people."""
    rows = [paint(printable(str(adapter.file.path)), "bold", colour)]
    rows += [f"  {name:<10} {printable(value)}" for name, value in _facts(adapter, fit)]
    rows += [f"  {line}" for line in _loading_table(adapter.loadings, colour)]
    rows += [f"  {line}" for line in _health(adapter)]
    for each in found:
        level = paint(f"{each.level}[{each.rule.id}]", each.level, colour)
        rows.append(f"  {level} {printable(each.finding.sentence)}")
    return "\n".join(rows)


def _facts(adapter: Adapter, fit: Fit | None) -> Iterator[tuple[str, str]]:
    identity = adapter.identity
    name = identity.label or (" or ".join(dict.fromkeys(_labels(adapter))) or identity.family or "unknown")
    yield (
        "model",
        f"{name} ({identity.certainty}: {identity.reason})"
        if identity.certainty != "unknown"
        else (f"{identity.family or 'unknown'}: {identity.reason}"),
    )
    if identity.claim or adapter.trained_on:
        told = ", ".join(filter(None, (identity.claim, adapter.trained_on)))
        yield "", f"its metadata says {told}"
    if fit:
        yield "fit", "; ".join((fit.sentence, *fit.notes))
    yield "format", adapter.format.title + (f", written by {adapter.writer}" if adapter.writer else "")
    yield "rank", _ranks(adapter)
    yield "layers", _layers(adapter)


def _labels(adapter: Adapter) -> list[str]:
    from lora_doctor.adapter.identify import BY_ID

    return [BY_ID[i].label for i in adapter.identity.candidates]


def _ranks(adapter: Adapter) -> str:
    ranks, scales = adapter.ranks, adapter.scales
    rank = "none" if not ranks else str(ranks[0]) if len(ranks) == 1 else f"{ranks[0]} to {ranks[-1]}, mixed"
    distinct = scales.distinct
    scale = f"{distinct[0]:g}" if len(distinct) == 1 else f"{distinct[0]:g} to {distinct[-1]:g}" if distinct else "?"
    where = {
        "nowhere": "no alpha: equals the rank",
        "tensors": "alpha in tensors",
        "metadata": "alpha in metadata only",
    }
    return f"{rank}; trained at scale {scale} ({where.get(scales.source, f'alpha in {scales.source} only')})"


def _layers(adapter: Adapter) -> str:
    encoders = len(adapter.layers) - len(adapter.file.denoiser)
    text = f"{len(adapter.file.denoiser)} in the denoiser" + (f", {encoders} in text encoders" if encoders else "")
    cover = coverage_of(adapter)
    if cover:
        text += f"; {cover.blocks} of {cover.blocks_total} blocks, {cover.weights_share:.1%} of the weights"
    strangers = adapter.file.outline.strangers
    if strangers:
        text += f"; tensors of no layer: {len(strangers)}, e.g. {strangers[0]}"
    size = sum(info.offsets[1] - info.offsets[0] for info in adapter.file.header.tensors.values())
    dtypes = sorted({info.dtype for info in adapter.file.header.tensors.values()})
    return f"{text}; {size / 2**20:.1f} MiB {'/'.join(dtypes)}"


_WORDS = {"all": "all layers", "none": "nothing:", "fails": "refuses", "unknown": "?"}
_COLOURS = {"none": "error", "fails": "error", "some": "warning"}


def _loading_table(rows: tuple[Loading, ...], colour: bool) -> Iterator[str]:
    for i, row in enumerate(rows):
        status = f"{row.loaded} of {row.total} layers" if row.status == "some" else _WORDS[row.status]
        tone = "good" if row.fine else _COLOURS.get(row.status, "warning" if row.status == "all" else "dim")
        if row.status == "unknown":
            tone = "dim"
        reason = f" {printable(row.reason)}" if row.reason and row.status != "unknown" else ""
        yield f"{'loads in' if i == 0 else '':<10} {row.consumer:<12} {paint(status, tone, colour)}{reason}"
        if row.command:
            yield f"{'':<23} {paint(printable(row.command), 'dim', colour)}"


def _health(adapter: Adapter) -> Iterator[str]:
    health = adapter.health
    if health is None:
        yield f"{'weights':<10} not read: --weights finds dead and broken layers, and measures the change"
        return
    from lora_doctor.adapter.picture import heat_line

    counts = f"{len(health.sound)} sound, {len(health.dead)} dead, {len(health.broken)} with NaN or infinity"
    yield f"{'weights':<10} {counts}"
    if health.sound:
        erank = sum(layer.effective_rank for layer in health.sound) / len(health.sound)
        stable = sum(layer.stable_rank for layer in health.sound) / len(health.sound)
        needed = sum(layer.energy_rank for layer in health.sound) / len(health.sound)
        shape = f"effective rank {erank:.1f}, stable rank {stable:.1f}, 99 % of the energy in {needed:.0f}"
        yield f"{'spectrum':<10} {shape}"
        strongest = max(health.sound, key=lambda layer: layer.norm)
        yield f"{'strength':<10} norm {health.norm:.4g}; most in {printable(strongest.name)} ({strongest.norm:.3g})"
        ratios = sorted(layer.ratio for layer in health.sound if layer.ratio is not None)
        if ratios:
            middle = ratios[len(ratios) // 2]
            yield f"{'':<10} of the base's weights: median {middle:.1%}, at most {ratios[-1]:.1%} (estimated)"
    for i, line in enumerate(heat_line(health)):
        yield f"{'by block' if i == 0 else '':<10} {line}"


def series_text(series: Series) -> str:
    """How the change grows from file to file."""
    names = [a.file.path.name for a in series.adapters]
    width = max(map(len, names))
    rows = ["growth"]
    first = series.norms[0]
    for name, norm in zip(names, series.norms):
        rows.append(f"  {printable(name):<{width}}  norm {norm:.4g}" + (f"  x{norm / first:.2f}" if first else ""))
    growth = {b: n[-1] / n[0] for b, n in series.growth().items() if n[0] > 0}
    if growth:
        ordered = sorted(growth.items(), key=lambda item: -item[1])
        shown = ", ".join(f"{block} x{factor:.2f}" for block, factor in ordered[:5])
        rows.append(f"  grew most: {shown}")
    return "\n".join(rows)


def as_json(adapter: Adapter, fit: Fit | None, found: list[Found]) -> dict[str, Any]:
    """The same for programs."""
    identity, cover, health = adapter.identity, coverage_of(adapter), adapter.health
    return {
        "file": str(adapter.file.path),
        "model": {**identity._asdict(), "trained_on": adapter.trained_on or None},
        "fit": fit._asdict() if fit else None,
        "format": {**adapter.format._asdict(), "title": adapter.format.title, "writer": adapter.writer or None},
        "ranks": adapter.ranks,
        "scales": {"values": adapter.scales.distinct, "source": adapter.scales.source},
        "layers": len(adapter.layers),
        "coverage": cover._asdict() if cover else None,
        "loads": [row._asdict() for row in adapter.loadings],
        "health": None
        if health is None
        else {
            "digest": health.digest,
            "norm": health.norm,
            "blocks": health.blocks(),
            "layers": [layer._asdict() for layer in health.layers],
        },
        "findings": [
            {"rule": f.rule.id, "level": f.level, "message": f.finding.message, "action": f.finding.action}
            for f in found
        ],
        "metadata": {k: v if len(v) <= MAX_VALUE else f"{v[:MAX_VALUE]}..." for k, v in adapter.file.metadata.items()},
    }


def plain(value: Any) -> Any:
    """The same without NaN and infinity, which JSON does not have: they become null."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, (list, tuple)) else value
