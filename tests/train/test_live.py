"""The live view on a real pseudo-terminal, read back through a small terminal; and in a file."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lora_doctor.train.live import Live, Shown, clock, plain

pty = pytest.importorskip("pty")
CODE = re.compile(r"\x1b\[(\d*)([A-Za-z])|\x1b\[[\d;]*m")


def screen(text: str, width: int) -> tuple[list[str], int]:
    """The lines on a terminal that got this text, and how many were wrapped."""
    lines, row, column, wrapped, at = [""], 0, 0, 0, 0
    while at < len(text):
        code = CODE.match(text, at)
        if code:
            at = code.end()
            if code[2] == "A":
                row = max(0, row - int(code[1] or 1))
            elif code[2] == "K":
                lines[row] = lines[row][:column]
            elif code[2] == "J":
                lines[row:] = [lines[row][:column]]
            continue
        character, at = text[at], at + 1
        if character == "\r":
            column = 0
        elif character == "\n":
            row += 1
        else:
            if column == width:
                row, column, wrapped = row + 1, 0, wrapped + 1
                lines += [""] * (row + 1 - len(lines))
            lines[row] = lines[row].ljust(column)[:column] + character + lines[row][column + 1 :]
            column += 1
        lines += [""] * (row + 1 - len(lines))
    return [line.rstrip() for line in lines], wrapped


SHOW = """
import sys, time
from lora_doctor.train.live import Live, Shown
with Live(sys.stderr) as live:
    for done in range(0, 41):
        live.progress("encoding images", done, 40)
    live.say("a note that stays")
    for step in range(0, 301):
        if step == 150:
            live.say("step 150: samples in samples/step-000150")
        warning = "the held-out loss has risen for 3 measurements, by 2.1 % of the base's; the best was step 100"
        told = 0.9 - step / 1e4, 0.95, (0.94, 100), 0.05, 2.5e-5, 0.31, 0.62, 1.6, (18.2, 24.0)
        doing = "drawing samples" if 100 < step < 200 else ""
        live.show(Shown(step, 300, (300 - step) * 0.5, *told, doing, warning if step > 250 else ""), now=True)
"""


def on_terminal(code: str, width: int, **environ: str) -> str:
    """What a program writes to a terminal of this width."""
    master, slave = pty.openpty()
    try:
        import fcntl
        import struct
        import termios

        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **environ}
        environment.pop("COLUMNS", None)
        with subprocess.Popen([sys.executable, "-c", code], stdout=slave, stderr=slave, env=environment) as process:
            os.close(slave)
            text = b"".join(_read(master))
            assert process.wait() == 0, text.decode()
    finally:
        os.close(master)
    return text.decode().replace("\r\n", "\n\r")


def _read(master: int) -> Iterator[bytes]:
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:  # the other side is closed
            return
        if not data:
            return
        yield data


@pytest.mark.parametrize("width", [80, 120])
def test_on_a_terminal(width: int) -> None:
    lines, wrapped = screen(on_terminal(SHOW, width), width)
    assert wrapped == 0
    assert lines[:2] == ["a note that stays", "step 150: samples in samples/step-000150"]
    assert lines[2].startswith("step 300 of 300 \u2501")
    assert lines[2].endswith("100% \u00b7 0:00 left")
    assert lines[3] == "loss 0.870 of base \u00b7 held out 0.950 (best 0.940 at 100) \u00b7 gap +0.050"
    assert (
        lines[4] == "0.62 s/step \u00b7 1.6 images/s \u00b7 lr 2.5e-5 \u00b7 gradient 0.31 \u00b7 memory 18.2 of 24 GB"
    )
    assert " ".join(line.strip() for line in lines[5:]).strip().endswith("the best was step 100")
    assert lines[5].startswith("warning the held-out loss has risen")


def test_on_a_narrow_terminal_what_matters_least_is_left_out() -> None:
    lines, wrapped = screen(on_terminal(SHOW, 40), 40)
    assert wrapped == 0
    assert "loss 0.870 of base" in lines
    assert "0.62 s/step \u00b7 1.6 images/s \u00b7 lr 2.5e-5" in lines
    assert max(map(len, lines[2:])) < 40


def test_colours_can_be_switched_off() -> None:
    assert "\x1b[1;32m" in on_terminal(SHOW, 80)
    assert "\x1b[1;32m" not in on_terminal(SHOW, 80, NO_COLOR="1")


def test_a_terminal_without_unicode() -> None:
    text = on_terminal(SHOW, 80, PYTHONIOENCODING="ascii")
    lines, _ = screen(text, 80)
    assert "=====" in lines[2]
    assert "loss 0.870 of base | held out" in lines[3]


def test_plain_lines_elsewhere() -> None:
    now = [0.0]
    stream = io.StringIO()
    live = Live(stream, clock=lambda: now[0])
    assert not live.terminal
    live.progress("encoding images", 1, 2)
    live.progress("encoding images", 2, 2)
    for step in range(101):
        now[0] += 1.0
        live.show(Shown(step, 100, 100.0 - step, 0.9, seconds=1.0))
    live.say("finished")
    live.close()
    lines = stream.getvalue().splitlines()
    assert lines[0] == "encoding images: 2"
    assert lines[1] == "step 0 of 100, loss 0.900 of base, 1.00 s/step, 1:40 left"
    assert [int(line.split()[1]) for line in lines[1:-1]] == [0, 15, 30, 45, 60, 75, 90, 100]
    assert lines[-1] == "finished"
    assert "\x1b" not in stream.getvalue()


def test_what_is_not_known_is_not_shown() -> None:
    assert plain(Shown(1, 2)) == "step 1 of 2"
    assert plain(Shown(1, 2, rate=0.0, seconds=0.01, memory=(3.0, None))) == (
        "step 1 of 2, 100 steps/s, lr 0, memory 3.0 GB"
    )


def test_clock() -> None:
    assert [clock(seconds) for seconds in (-1, 0.4, 42, 725, 11_220)] == ["0:00", "0:00", "0:42", "12:05", "3:07:00"]


def test_a_stream_that_is_closed_does_not_end_a_run(tmp_path: Path) -> None:
    stream = open(tmp_path / "out", "w", encoding="utf-8")  # noqa: SIM115 (closed on purpose)
    live = Live(stream)
    stream.close()
    live.show(Shown(1, 1))
    live.say("still here")


def test_it_loads_nothing_heavy() -> None:
    code = (
        "import sys; import lora_doctor.train.live; "
        "print({'torch', 'numpy', 'rich', 'PIL'} & {m.partition('.')[0] for m in sys.modules})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
