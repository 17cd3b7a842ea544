"""`lora-doctor diagnose --watch`: judge a run of any trainer while it trains, and say when it is time to stop."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lora_doctor.cli.output import tell
from lora_doctor.report.terminal import printable

if TYPE_CHECKING:
    from lora_doctor.symptoms.course import Course
    from lora_doctor.symptoms.judge import Diagnosed

INTERRUPTED = 130  # 128 + SIGINT, as shells do
WHOLE = (".safetensors", ".png", ".jpg", ".jpeg", ".webp")  # files that mean nothing until they are whole
OLD = 10.0  # seconds without a write after which a file is whole at the first look too
LOGS = 60.0  # seconds between looks for which only logs have changed
SURE = 0.75  # confidence from which an error is a reason to stop
LATER = frozenset({"under-trained"})  # true of every run that has just begun
Stamp = tuple[int, int]


class Look(NamedTuple):
    """One diagnosis. code: what `diagnose` would exit with; finish: says all that it would say."""

    course: Course
    diagnosed: tuple[Diagnosed, ...]
    code: int
    finish: Callable[[], None]


class Watch(NamedTuple):
    """What is watched. look: diagnose without the names given, None where there is nothing to diagnose yet; show: tell
    of a look, of what is new in it, and whether it is the last. idle: seconds without a change that end the watch.
    """

    folder: Path
    every: float
    on_stop: str | None
    idle: float | None
    look: Callable[[frozenset[str]], Look | None]
    show: Callable[[Look, list[str], bool], None]


def watch(job: Watch) -> int:
    """Look until it is time to stop (1), the run has ended (as `diagnose` exits), or Ctrl-C (130)."""
    try:
        return _Watching(job).run()
    except KeyboardInterrupt:
        tell("no longer watching; the run was not touched")
        return INTERRUPTED


class _Watching:
    """Holds what was seen at the last look."""

    def __init__(self, job: Watch) -> None:
        self.job = job
        self.stamps: dict[str, Stamp] = {}
        self.judged: dict[str, Stamp] = {}
        self.known: dict[str, str] = {}
        self.looked = self.changed = time.monotonic()
        self.said = ""

    def run(self) -> int:
        """The loop."""
        while True:
            files = _stamps(self.job.folder)
            unsettled = self._unsettled(files)
            if files != self.stamps:
                self.changed = time.monotonic()
            self.stamps = files
            found = self._look(files, unsettled) if self._due(files, unsettled) else None
            code = self._ended(found, quiet=not unsettled)
            if code is not None:
                return code
            time.sleep(self.job.every)

    def _unsettled(self, files: Mapping[str, Stamp]) -> frozenset[str]:
        """Checkpoints and pictures that were written to since the last look: they may be half there."""
        now = time.time()
        return frozenset(
            name
            for name, stamp in files.items()
            if name.lower().endswith(WHOLE) and self.stamps.get(name) != stamp and now - stamp[1] / 1e9 < OLD
        )

    def _due(self, files: Mapping[str, Stamp], unsettled: frozenset[str]) -> bool:
        """Whether a checkpoint or picture is there that was not judged; of logs only every now and then."""
        settled = {name: stamp for name, stamp in files.items() if name not in unsettled}
        new = {name for name, stamp in settled.items() if self.judged.get(name) != stamp}
        whole = any(name.lower().endswith(WHOLE) for name in new)
        return whole or bool(new and time.monotonic() - self.looked > LOGS)

    def _look(self, files: Mapping[str, Stamp], unsettled: frozenset[str]) -> Look | None:
        try:
            found = self.job.look(unsettled)
        except OSError:  # a checkpoint that the trainer deleted meanwhile: the next look is without it
            return None
        self.looked = time.monotonic()
        self.judged = {name: stamp for name, stamp in files.items() if name not in unsettled}
        if found is None:
            self._once(f"waiting for the first checkpoint or sample in {self.job.folder}")
        return found

    def _once(self, sentence: str) -> None:
        if sentence != self.said:
            tell(sentence)
        self.said = sentence

    def _ended(self, found: Look | None, *, quiet: bool) -> int | None:
        """The exit code where this look was the last one."""
        if found is not None:
            reason = stop_reason(found.course, found.diagnosed)
            over = quiet and has_ended(found.course)
            self.job.show(found, self._news(found), bool(reason) or over)
            if reason:
                tell(f"stop: {reason}")
                return self._stop(found, reason)
            if over:
                return found.code
        if not self.stamps and not self.job.folder.is_dir():
            self._once(f"waiting for {self.job.folder}")
        if self.job.idle is not None and time.monotonic() - self.changed > self.job.idle:
            return self._idle()
        return None

    def _idle(self) -> int:
        tell(f"no file has changed for {self.job.idle:,.0f} s: the trainer has ended, or hangs")
        found = self.job.look(frozenset())
        if found is None:
            return 2
        self.job.show(found, self._news(found), True)
        return found.code

    def _news(self, found: Look) -> list[str]:
        """Symptoms that were not there at the look before, and such as are there no more."""
        now = {
            each.rule.id: f"{each.rule.level}[{each.rule.id}] {each.verdict.confidence:.0%}: {each.verdict.message}"
            for each in found.diagnosed
            if each.verdict.present and each.rule.id not in LATER
        }
        new = [sentence for name, sentence in now.items() if name not in self.known]
        gone = [f"no longer: {name}" for name in self.known if name not in now]
        self.known = now
        return [*new, *gone]

    def _stop(self, found: Look, reason: str) -> int:
        """Run the hook; 1, or 2 where it failed: what it was to switch off is still on."""
        if self.job.on_stop is None:
            return 1
        window, reached = found.course.window, found.course.reached
        told = {
            "LORA_DOCTOR_RUN": str(self.job.folder.absolute()),
            "LORA_DOCTOR_REASON": printable(reason),
            "LORA_DOCTOR_STEP": "" if reached is None else str(reached),
            "LORA_DOCTOR_KEEP": str(window.pick) if window is not None and window.pick is not None else "",
        }
        code = subprocess.run(self.job.on_stop, shell=True, env=os.environ | told, check=False).returncode
        if code:
            tell(f"the command of --on-stop failed (exit code {code}): what it was to stop may still run")
            return 2
        return 1


def _stamps(folder: Path) -> dict[str, Stamp]:
    """Size and time of the last write of every file that could belong to the run."""
    from lora_doctor.runs.walk import list_files

    found: dict[str, Stamp] = {}
    for name in list_files(folder).names if folder.is_dir() else ():
        try:
            status = (folder / name).stat()
        except OSError:
            continue
        found[name] = (status.st_size, status.st_mtime_ns)
    return found


def stop_reason(course: Course, diagnosed: Sequence[Diagnosed]) -> str:
    """Why more training can't help: a symptom that is an error and sure, or a usable window that is over; else ""."""
    from lora_doctor.symptoms.window import END

    for each in diagnosed:
        if each.verdict.present and each.rule.level == "error" and each.verdict.confidence >= SURE:
            return f"{each.verdict.message} ({each.rule.id}, {each.verdict.confidence:.0%})"
    window = course.window
    if window is not None and window.verdict == "found" and window.closes != END and window.confidence >= SURE:
        return f"the best checkpoints are behind: {window.closes}; {window.sentence}"
    return ""


def has_ended(course: Course) -> bool:
    """Whether the run itself says that it is over, or has reached the steps that its config plans."""
    from lora_doctor.derived import total_steps
    from lora_doctor.runs import native
    from lora_doctor.runs.read import last_step

    run = course.run
    if run.trainer == "lora-doctor":
        return bool(native.record(run.folder).get("status", "running") != "running")
    planned = total_steps(run.plan) if run.plan is not None else None
    reached = max((*run.steps, last_step(run.curves) or 0), default=0)
    saved = max((each.step for each in run.checkpoints if each.step is not None), default=0)
    return planned is not None and run.axis == "step" and reached >= planned - 1 and saved >= planned - 1
