"""How a run stands, while it runs: a few lines redrawn in place on a terminal, plain lines elsewhere. No torch.

Written by hand rather than with rich: it is one block of text, drawn at most eight times a second, and nothing else in
lora-doctor needs that package. What others print meanwhile must go through `say`, which puts it above the block.
"""

from __future__ import annotations

import os
import shutil
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TextIO

from lora_doctor.report.terminal import columns, cut, paint, printable

EVERY = 0.125  # seconds between drawings
PLAIN_EVERY = 15.0  # seconds between plain lines
WIDEST = 100  # columns


class Shown(NamedTuple):
    """What is shown; None where it is not known (yet).

    `loss` and `held_out` are shares of the base model's loss at the same noise; `best` the lowest held-out share and
    its step; `gap` the natural logarithm of held-out by training loss; `memory` used and whole in GB.
    """

    step: int
    steps: int
    seconds_left: float | None = None
    loss: float | None = None
    held_out: float | None = None
    best: tuple[float, int] | None = None
    gap: float | None = None
    rate: float | None = None
    gradient: float | None = None
    seconds: float | None = None
    images: float | None = None  # per second
    memory: tuple[float, float | None] | None = None
    doing: str = ""  # what is done instead of training: measuring, drawing samples
    warning: str = ""


class Live:
    """The block on a terminal, or lines in a file. Use as a context manager: the block is left standing at the end."""

    def __init__(
        self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._stream, self._clock = stream, clock
        self._terminal = stream.isatty() and environ.get("TERM", "") != "dumb"
        self._colour = self._terminal and "NO_COLOR" not in environ
        self._fancy = _can(stream, "\u2501\u00b7")
        self._height = 0  # lines of the block that stand on the terminal
        self._last = -PLAIN_EVERY
        self._printed: int | None = None  # step of the last plain line
        self._shown: Shown | None = None

    @property
    def terminal(self) -> bool:
        """Whether there is a terminal to draw on."""
        return self._terminal

    def show(self, shown: Shown, *, now: bool = False) -> None:
        """Show how it stands; `now` also where the last drawing was a moment ago."""
        changed = self._shown is None or (self._shown.doing, self._shown.warning) != (shown.doing, shown.warning)
        self._shown = shown
        moment = self._clock()
        if not self._terminal:
            due = shown.step >= shown.steps or moment - self._last >= PLAIN_EVERY
            if due and shown.step != self._printed:
                self._last, self._printed = moment, shown.step
                self._write(plain(shown) + "\n")
        elif now or changed or moment - self._last >= EVERY:
            self._last = moment
            self._draw()

    def progress(self, what: str, done: int, whole: int) -> None:
        """One line about work before the first step: `encoding images 12 / 400`."""
        moment = self._clock()
        if not self._terminal:
            if done >= whole:
                self._write(f"{what}: {whole:,}\n")
        elif done >= whole or moment - self._last >= EVERY:
            self._last = moment
            width = self._width()
            text = f"{what} {done:,} / {whole:,} "
            self._block([self._fitted(text + self._bar(done / max(1, whole), max(8, width - len(text) - 1)), width)])

    def say(self, text: str) -> None:
        """A line that stays, above the block."""
        self._clear()
        self._write(f"{text}\n")
        if self._shown is not None and self._terminal:
            self._draw()

    def close(self) -> None:
        """Leave the block as it stands, once more up to date."""
        if self._terminal and self._shown is not None:
            self._draw()
        self._height, self._shown = 0, None

    def clear(self) -> None:
        """Take the block away, where what it said is over."""
        self._clear()
        self._shown = None

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _draw(self) -> None:
        if self._shown is not None:
            width = self._width()
            self._block([self._fitted(line, width) for line in self._lines(self._shown, width)])

    def _block(self, lines: Sequence[str]) -> None:
        """Draw over the old block in one write: no flicker. Lines are never wider than the terminal, so none wraps."""
        up = f"\x1b[{self._height}A" if self._height else ""
        self._write("\r" + up + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J")
        self._height = len(lines)

    def _clear(self) -> None:
        if self._height:
            self._write(f"\r\x1b[{self._height}A\x1b[J")
            self._height = 0

    def _width(self) -> int:
        return max(20, min(WIDEST, shutil.get_terminal_size().columns - 1))

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except UnicodeEncodeError:
            encoding = self._stream.encoding or "ascii"
            self._stream.write(text.encode(encoding, "replace").decode(encoding))
            self._stream.flush()
        except (BrokenPipeError, ValueError):  # nobody looks any more: the run goes on
            self._terminal = False

    def _fitted(self, line: str, width: int) -> str:
        """No wider than the terminal, colours aside."""
        return line if sum(columns(c) for c in _uncoloured(line)) <= width else cut(_uncoloured(line), 0, width)

    def _lines(self, shown: Shown, width: int) -> list[str]:
        parts = [self._paint("bold", f"step {shown.step:,}") + self._paint("dim", f" of {shown.steps:,}")]
        left = [] if shown.seconds_left is None else [f"{clock(shown.seconds_left)} left"]
        share = shown.step / max(1, shown.steps)
        tail = f" {share:4.0%}" + (self._paint("dim", self._dot()) + left[0] if left else "")
        room = width - sum(len(_uncoloured(part)) for part in (*parts, tail)) - 1
        lines = [f"{parts[0]} {self._bar(share, max(4, min(40, room)))}{tail}"]
        lines += [self._joined(row, width) for row in (_losses(shown), _speed(shown)) if row]
        if shown.doing:
            lines.append(self._paint("note", shown.doing))
        if shown.warning:
            first, *more = textwrap.wrap(printable(shown.warning), max(12, width - 8))[:3]
            lines += [f"{self._paint('warning', 'warning')} {first}", *(f"        {rest}" for rest in more)]
        return lines

    def _bar(self, share: float, length: int) -> str:
        full = min(length, int(share * length))
        done, rest = (
            ("\u2501" * full, "\u2501" * (length - full))
            if self._colour and self._fancy
            else (("=" * full, "." * (length - full)))
        )
        return self._paint("good", done) + self._paint("dim", rest)

    def _joined(self, row: Sequence[tuple[str, str]], width: int) -> str:
        """As many as fit, the first being what matters most."""
        kept: list[str] = []
        used = 0
        for name, value in row:
            used += len(f"{name} {value}".strip()) + 3 * bool(kept)
            if used > width:
                break
            kept.append(f"{self._paint('dim', name)} {value}" if name else value)
        return self._paint("dim", self._dot()).join(kept)

    def _dot(self) -> str:
        return " \u00b7 " if self._fancy else " | "

    def _paint(self, style: str, text: str) -> str:
        return paint(text, style, self._colour)


def _losses(shown: Shown) -> list[tuple[str, str]]:
    row = []
    if shown.loss is not None:
        row.append(("loss", f"{shown.loss:.3f} of base"))
    if shown.held_out is not None:
        best = f" (best {shown.best[0]:.3f} at {shown.best[1]:,})" if shown.best else ""
        row.append(("held out", f"{shown.held_out:.3f}{best}"))
    if shown.gap is not None:
        row.append(("gap", f"{shown.gap:+.3f}"))
    return row


def _speed(shown: Shown) -> list[tuple[str, str]]:
    row = []
    if shown.seconds is not None:
        row.append(("", f"{shown.seconds:.2f} s/step" if shown.seconds >= 0.1 else f"{1 / shown.seconds:.0f} steps/s"))
    if shown.images is not None:
        row.append(("", f"{shown.images:.1f} images/s"))
    if shown.rate is not None:
        row.append(("lr", _power(shown.rate)))
    if shown.gradient is not None:
        row.append(("gradient", f"{shown.gradient:.3g}"))
    if shown.memory is not None:
        used, whole = shown.memory
        row.append(("memory", f"{used:.1f} GB" if whole is None else f"{used:.1f} of {whole:.0f} GB"))
    return row


def _power(rate: float) -> str:
    """`1e-4`, `2.5e-5`: as people write learning rates."""
    digits, _, power = f"{rate:.2e}".partition("e")
    return f"{digits.rstrip('0').rstrip('.')}e{int(power)}" if rate else "0"


def plain(shown: Shown) -> str:
    """One line without colours or movement: `step 250 of 2,000, loss 0.931 of base, held out 0.958...`."""
    parts = [f"step {shown.step:,} of {shown.steps:,}"]
    parts += [f"{name} {value}".strip() for name, value in (*_losses(shown), *_speed(shown))]
    if shown.seconds_left is not None:
        parts.append(f"{clock(shown.seconds_left)} left")
    return ", ".join(parts)


def clock(seconds: float) -> str:
    """`0:42`, `12:05`, `3:07:00`."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def _uncoloured(line: str) -> str:
    out, inside = [], False
    for character in line:
        if character == "\x1b":
            inside = True
        elif not inside:
            out.append(character)
        elif character.isalpha():
            inside = False
    return "".join(out)


def _can(stream: TextIO, text: str) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
