"""`lora-doctor demo`: a small dataset with defects and a config with traps, examined before your eyes."""

from __future__ import annotations

import sys

import click

WIDE = 30  # columns of the bar


@click.command()
@click.option("-o", "--output", default="lora-doctor-demo", type=click.Path(), metavar="DIR", help="A new folder.")
def demo(output: str) -> int:
    """See what lora-doctor does, from nothing: draws a dataset with defects, examines it, lints and mends a config.

    Everything stays in DIR (`lora-doctor-demo`), with one page to open. Nothing is fetched, nothing is overwritten.
    """
    from pathlib import Path

    from lora_doctor.cli.output import tell
    from lora_doctor.dataset.arrays import need
    from lora_doctor.source.document import SourceError
    from lora_doctor.write import write_beside

    need()
    folder = Path(output)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SourceError(f"{output} is there already; name a new folder with --output DIR")
    from lora_doctor.lab.demo.page import render
    from lora_doctor.lab.demo.steps import STEPS, play

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SourceError(f"{output} can't be made: {(error.strerror or str(error)).lower()}") from None
    bar = _Bar(sum(step.weight for step in STEPS))
    shown = play(folder, lambda step: bar.begin(step.sentence, step.weight))
    bar.begin(STEPS[-1].sentence, STEPS[-1].weight)
    write_beside(folder / "index.html", render(shown, folder).encode("utf-8"))
    bar.end()
    tell(f"open {folder / 'index.html'}")
    return 0


class _Bar:
    """How far it is: one line on a terminal, a line per step elsewhere."""

    def __init__(self, whole: int) -> None:
        self._whole, self._done, self._doing = whole, 0, 0

    def begin(self, sentence: str, weight: int) -> None:
        """The step before is over, this one begins."""
        self._done, self._doing = self._done + self._doing, weight
        filled = round(WIDE * self._done / self._whole)
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{'█' * filled}{'░' * (WIDE - filled)} {sentence}")
        else:
            sys.stderr.write(f"{sentence}\n")
        sys.stderr.flush()

    def end(self) -> None:
        """The line goes."""
        if sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
