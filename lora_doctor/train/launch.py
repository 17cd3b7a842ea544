"""`--num-processes N`: N processes of one run on this machine, started, stopped and ended together. No torch.

Each is `python -m lora_doctor.train` with its place in the environment, as torchrun and accelerate set it. They are in
sessions of their own: what stops a run (Ctrl-C, SIGTERM) comes to this process, which passes it on once. When one dies,
the others learn it from their closed connections, or are ended here.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from lora_doctor.source.document import SourceError
from lora_doctor.train.folder import RunFolder, note_failure, step_name

STARTED_BY = "LORA_DOCTOR_STARTED_BY"  # in a process' environment: who started it, and has told what there was to tell
LOST = 3  # exit code of a process that ended because another did
GRACE = 10.0  # seconds that the others have to end by themselves
LOOK = 0.1  # seconds between two looks
INTERRUPTED = tuple(128 + number for number in (signal.SIGINT, signal.SIGTERM))
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name))


def rank() -> int:
    """This process' number among those of its run, 0 where it is alone or the first."""
    return int(os.environ.get("RANK", "0"))


def processes() -> int | None:
    """How many processes torchrun or accelerate started for this run; None where nobody said."""
    size = int(os.environ.get("WORLD_SIZE", "0"))
    return size if size > 0 and "RANK" in os.environ else None


def told() -> bool:
    """Whether what started this process has judged the config already, and told what there was to tell."""
    return STARTED_BY in os.environ


def orphaned() -> bool:
    """Whether what started this process is gone."""
    parent = os.environ.get(STARTED_BY)
    return parent is not None and os.name != "nt" and os.getppid() != int(parent)


def together(arguments: Sequence[str], count: int, folder: RunFolder) -> int:
    """Run `lora-doctor train` with these arguments in so many processes; the exit code of the run.

    A process that was killed is told of, and noted in the run folder.

    Raises:
        SourceError: this machine has fewer cores.
    """
    cores = os.cpu_count() or 1
    if count > cores:
        raise SourceError(f"{count} processes on {cores} cores: as many as there are GPUs (--num-processes N)")
    port = _free_port()
    command = [sys.executable, "-m", "lora_doctor.train", *arguments]
    started = [subprocess.Popen(command, env=_environment(i, count, port), **_apart()) for i in range(count)]
    with _passing_on(started):
        codes = _ended(started)
    return _judged(codes, count, folder)


def alone(arguments: Sequence[str]) -> int:
    """Run `lora-doctor train` with these arguments in a process of its own; its exit code."""
    started = [subprocess.Popen([sys.executable, "-m", "lora_doctor", "train", *arguments], **_apart())]
    with _passing_on(started):
        code = started[0].wait()
    return code if code >= 0 else 2


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _environment(number: int, count: int, port: int) -> Mapping[str, str]:
    own = {
        "RANK": number,
        "LOCAL_RANK": number,
        "WORLD_SIZE": count,
        "LOCAL_WORLD_SIZE": count,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        STARTED_BY: os.getpid(),
    }
    cores = str(max(1, (os.cpu_count() or 1) // count))
    given = {"OMP_NUM_THREADS": cores, **os.environ}
    if sys.platform == "win32":
        given["USE_LIBUV"] = "0"  # torch's wheels for Windows are built without it
    return given | {name: str(value) for name, value in own.items()}


def _apart() -> dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


@contextmanager
def _passing_on(started: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Inside, signals that stop a run go to every process of it."""

    def pass_on(number: int, frame: object) -> None:
        if sys.platform == "win32":
            number = signal.CTRL_BREAK_EVENT
        for process in started:
            if process.poll() is None:
                process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for process in started:
            if process.poll() is None:
                process.kill()


def _ended(started: Sequence[subprocess.Popen[bytes]]) -> list[tuple[int, int]]:
    """Number and exit code of every process, in the order in which they ended."""
    found: dict[int, int] = {}
    deadline = float("inf")
    while len(found) < len(started):
        for number, process in enumerate(started):
            if number not in found and (code := process.poll()) is not None:
                found[number] = code
                deadline = min(deadline, time.monotonic() + (GRACE if code else float("inf")))
        if time.monotonic() > deadline:
            for process in started:
                if process.poll() is None:
                    process.kill()
        time.sleep(LOOK)
    return list(found.items())


def _judged(codes: Sequence[tuple[int, int]], count: int, folder: RunFolder) -> int:
    own = dict(codes)[0]
    failed = [(number, code) for number, code in codes if code not in (0, LOST, *INTERRUPTED)]
    if not failed:
        return own if own != LOST else 2
    number, code = failed[0]
    if code == 2:
        return 2  # it has said why
    steps = folder.steps()
    last = f"the last good checkpoint is {step_name(steps[-1])}" if steps else "no checkpoint was written yet"
    sentence = f"process {number} of {count} {_how(code)}, and the others ended with it; {last}" + (
        f": `lora-doctor train {folder.config} --resume` goes on" if steps else ""
    )
    note_failure(folder, sentence)
    print(f"lora-doctor: {sentence}", file=sys.stderr)
    return 2


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    names = {number.value: number.name for number in signal.Signals}
    why = ", as the system does where memory runs out" if -code == 9 else ""
    return f"was killed ({names.get(-code, -code)}{why})"
