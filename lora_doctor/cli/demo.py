"""`lora-doctor demo`: a dataset with defects, a config with traps, and two trainings, examined before your eyes."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

WIDE = 30  # columns of the bar


@click.command()
@click.option("-o", "--output", default="lora-doctor-demo", type=click.Path(), metavar="DIR", help="A new folder.")
def demo(output: str) -> int:
    """See what lora-doctor does, from nothing: draws a dataset with defects, examines it, lints and mends a config.

    Then it trains two LoRAs on the tiny model that comes with it, one of them too long on too few pictures, and shows
    the difference; on two cores all of it takes about a minute. Everything stays in DIR (`lora-doctor-demo`), with one
    page to open. Nothing is fetched, nothing is overwritten.
    """
    from pathlib import Path

    from lora_doctor.cli.output import tell
    from lora_doctor.cli.training import lacking
    from lora_doctor.dataset.arrays import need
    from lora_doctor.source.document import SourceError
    from lora_doctor.write import write_beside

    need()
    folder = Path(output)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SourceError(f"{output} is there already; name a new folder with --output DIR")
    from lora_doctor.lab.demo.page import render
    from lora_doctor.lab.demo.steps import PAGE, play, steps

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SourceError(f"{output} can't be made: {(error.strerror or str(error)).lower()}") from None
    training = not lacking()
    bar = _Bar([(step.sentence, step.weight) for step in steps(training)])
    shown = play(folder, lambda step, share: bar.show(step.sentence, share), training)
    bar.show(PAGE.sentence)
    write_beside(folder / "index.html", render(shown, folder).encode("utf-8"))
    bar.end()
    if not training:
        tell(f"no LoRA was trained, for want of {', '.join(lacking())}: pip install 'lora-doctor[data,train]'")
    tell(f"open {folder / 'index.html'}")
    return 0


class _Bar:
    """How far it is: one line on a terminal, a line per step elsewhere."""

    def __init__(self, steps: Sequence[tuple[str, int]]) -> None:
        """`steps`: a sentence for each, and its share of the time."""
        self._steps = steps
        self._told = ""

    def show(self, sentence: str, share: float = 0.0) -> None:
        """The step of this sentence is at work, and this share of it is done, 0 to 1."""
        sentences = [each for each, _ in self._steps]
        weights = [weight for _, weight in self._steps]
        at = sentences.index(sentence)
        filled = round(WIDE * (sum(weights[:at]) + share * weights[at]) / sum(weights))
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{'█' * filled}{'░' * (WIDE - filled)} {sentence}")
        elif sentence != self._told:
            sys.stderr.write(f"{sentence}\n")
        self._told = sentence
        sys.stderr.flush()

    def end(self) -> None:
        """The line goes."""
        if sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
