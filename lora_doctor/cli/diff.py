"""`lora-doctor diff A B`: two LoRA files, or two configs of any trainers."""

from __future__ import annotations

from pathlib import Path

import click

from lora_doctor.source.document import SourceError

WEIGHTS = frozenset({".safetensors", ".sft", ".pt", ".pth", ".bin", ".ckpt"})


@click.command()
@click.argument("first", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("second", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def diff(first: Path, second: Path, as_json: bool) -> int:
    """Say what differs between two LoRAs, or between two training configs of any trainers.

    LoRAs are compared by layers, metadata, and how far each layer's change has moved; configs by what they do, whatever
    the trainers call it. Exits 0 where there is no difference, else 1.
    """
    kinds = [path.suffix.lower() in WEIGHTS for path in (first, second)]
    if kinds == [True, True]:
        from lora_doctor.cli.diff_adapters import diff_adapters

        return diff_adapters(first, second, as_json)
    if any(kinds):
        weights, config = (first, second) if kinds[0] else (second, first)
        raise SourceError(f"{weights} is a LoRA and {config} is none: give two LoRAs, or two configs")
    from lora_doctor.cli.diff_configs import diff_configs

    return diff_configs(first, second, as_json)
