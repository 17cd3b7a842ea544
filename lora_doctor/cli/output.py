"""Where reports go: the terminal with colours, a pipe without, or a file that is never half there."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

import click

from lora_doctor.dialects.reader import Problem
from lora_doctor.report.mask import without_tokens
from lora_doctor.report.places import shown_name
from lora_doctor.report.terminal import paint, printable
from lora_doctor.write import write_beside

PLAIN_WIDTH = 120  # columns, where there is no terminal to ask


def wants_colour(stream: TextIO) -> bool:
    """Colours on a terminal; NO_COLOR forbids them, FORCE_COLOR asks for them everywhere (https://no-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def terminal_width() -> int:
    """Columns of the terminal."""
    try:
        return max(60, os.get_terminal_size(sys.stdout.fileno()).columns)
    except (OSError, ValueError):
        return PLAIN_WIDTH


def put(text: str, output: str | None, *, err: bool = False) -> None:
    """Write a report to a file, or to standard output (standard error where that is taken)."""
    if output is not None:
        write_beside(Path(output), text.encode("utf-8", "backslashreplace"))
        return
    click.echo(text, nl=False, color=True, err=err)


def tell(sentence: str) -> None:
    """One line on standard error."""
    click.echo(printable(without_tokens(sentence)), err=True)


def tell_problems(problems: Iterable[Problem]) -> None:
    """One line per problem: `train.toml:3:1: not valid TOML: ...`."""
    colour = wants_colour(sys.stderr)
    for problem in problems:
        place = f":{problem.line}" * bool(problem.line) + f":{problem.column}" * bool(problem.column)
        name = paint(f"{printable(shown_name(problem.file))}{place}:", "bold", colour)
        click.echo(f"{name} {printable(without_tokens(problem.sentence))}", err=True, color=True)
