"""What the commands on LoRA files share: opening one, and the options of the file they write."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lora_doctor.adapter.combine import Outcome
    from lora_doctor.adapter.facts import Adapter

DTYPES = ("fp32", "fp16", "bf16", "fp8")


def output_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--output and --overwrite."""
    command = click.option("--overwrite", is_flag=True, help="Replace the output where it exists.")(command)
    return click.option(
        "--output", "-o", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The new file."
    )(command)


def dtype_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--dtype."""
    return click.option("--dtype", type=click.Choice(DTYPES), help="Number format; as the source by default.")(command)


def stored(dtype: str | None) -> str | None:
    """The safetensors name of a --dtype."""
    from lora_doctor.adapter.arrays import STORED

    return STORED[dtype] if dtype else None


def opened(path: Path | str, output: Path | None = None) -> Adapter:
    """A LoRA file; the output must be another one.

    Raises:
        AdapterError: with the file's name.
    """
    from lora_doctor.adapter.extra import need
    from lora_doctor.adapter.facts import examine
    from lora_doctor.adapter.read import AdapterError

    need("numpy", "ml_dtypes")
    if output is not None and output.exists() and Path(path).exists() and output.samefile(path):
        raise AdapterError(f"{path} is the source: it is never written to, name another output")
    try:
        return examine(path)
    except AdapterError as error:
        raise AdapterError(f"{path}: {error.sentence}") from error


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the cyclic collector, which thousands of small tuples set off again and again and which finds nothing."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def report(output: Path, outcome: Outcome) -> None:
    """One line about what was written, and what it cost."""
    ranks = outcome.ranks
    rank = f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {ranks[0]} to {ranks[-1]}" if ranks else "no rank"
    lost = ""
    if outcome.kept[0] < 1 - 1e-9:
        lost = f"; keeps {outcome.kept[1]:.2%} of the energy, {outcome.kept[0]:.2%} in the worst layer"
    rounded = f"; rounded by {outcome.rounding:.1e} at most (--dtype fp32 avoids it)" if outcome.rounding else ""
    click.echo(f"{output}: {outcome.layers} layers, {rank}{lost}{rounded}")
