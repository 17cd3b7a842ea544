"""Two LoRA files: layers, metadata, and how far each layer's change has moved."""

from __future__ import annotations

from pathlib import Path

import click

from lora_doctor.cli.adapters import opened


def diff_adapters(first: Path, second: Path, as_json: bool) -> int:
    """Print what differs; 0 where their changes are equal, else 1."""
    import json

    one, other = opened(first), opened(second)
    from lora_doctor.adapter.describe import plain
    from lora_doctor.adapter.differ import difference
    from lora_doctor.report.terminal import printable

    found = difference(one, other)
    if as_json:
        document = {**found._asdict(), "layers": [layer._asdict() for layer in found.layers]}
        document |= {"distance": found.distance, "cosine": found.cosine, "growth": found.growth}
        click.echo(json.dumps(plain(document), indent=2, ensure_ascii=False, allow_nan=False))
        return int(not found.equal)
    for names, which in ((found.only_first, first), (found.only_second, second)):
        if names:
            click.echo(
                f"{len(names)} layers only in {which}: {printable(', '.join(names[:3]))}{', ...' * (len(names) > 3)}"
            )
    if found.skipped:
        click.echo(f"{len(found.skipped)} layers can't be compared (other sizes, or a method without factors)")
    if found.layers:
        click.echo(
            f"{len(found.layers)} layers in both: moved by {found.distance:.2%} of the first, "
            f"cosine {found.cosine:.4f}, norm x{found.growth:.3f}"
        )
    for layer in sorted(found.layers, key=lambda each: -each.distance)[:5]:
        if layer.distance > 1e-6 * layer.first:
            share = layer.distance / layer.first if layer.first else float("inf")
            click.echo(f"  {printable(layer.name)}: {share:.2%}, cosine {layer.cosine:.4f}")
    for row in found.metadata:
        click.echo(f"metadata: {printable(row)}")
    return int(not found.equal)
