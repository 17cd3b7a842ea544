"""What `lora-doctor train` does, step by step: read, judge, resolve, and only then load torch."""

from __future__ import annotations

import logging
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from lora_doctor.cli.linting import known_trainer
from lora_doctor.cli.output import tell, tell_problems, terminal_width, wants_colour
from lora_doctor.dialects import recognise
from lora_doctor.dialects.reader import Reader
from lora_doctor.lint import UNRECOGNISED, examine_document
from lora_doctor.plan import Plan
from lora_doctor.report import Report, render
from lora_doctor.result import Options, Result
from lora_doctor.setting import Setting
from lora_doctor.settle import settle
from lora_doctor.source.document import Document, SourceError
from lora_doctor.source.read import read_file, read_text
from lora_doctor.train.folder import RunFolder, ended
from lora_doctor.train.launch import LOST, alone, processes, rank, together
from lora_doctor.train.launch import told as is_told
from lora_doctor.typed import typed

if TYPE_CHECKING:
    from lora_doctor.train.job import Job
    from lora_doctor.train.preflight import Preflight

EXTRA = ("torch", "diffusers", "peft", "transformers", "accelerate", "safetensors", "numpy", "cv2", "PIL")


class Request(NamedTuple):
    """The command line."""

    config: str | None
    data: str | None
    control: str | None
    trigger: str | None
    model: str | None
    recipe: str | None
    steps: int | None
    save_every: int | None
    seed: int | None
    resolution: int | None
    output: str | None
    num_processes: int | None
    pipeline_stages: int | None
    stage: str | None
    all_stages: bool
    resume: bool
    dry_run: bool
    no_preflight: bool
    trainer: str | None

    @property
    def told(self) -> dict[str, Any]:
        """What it says, by the keys of lora-doctor's own config."""
        return {
            "data": self.data,
            "control": self.control,
            "captions.trigger": self.trigger,
            "model.path": self.model,
            "recipe": self.recipe,
            "training.steps": self.steps,
            "saving.every_steps": self.save_every,
            "training.seed": self.seed,
            "buckets.resolution": self.resolution,
            "output": self.output,
            "training.processes": processes() or self.num_processes,
            "memory.pipeline_stages": self.pipeline_stages,
            "saving.resume": self.resume or None,
        }

    @property
    def judged(self) -> Request:
        """The same for another process of the run, which need not judge again."""
        return self._replace(no_preflight=True, num_processes=None)

    def arguments(self) -> list[str]:
        """As words of a command line."""
        found = [self.config] if self.config is not None else []
        for name, value in self._asdict().items():
            if name != "config" and value is not None and value is not False:
                option = f"--{name.replace('_', '-')}"
                found += [option] if value is True else [option, str(value)]
        return found


def run(request: Request) -> int:
    """Train, or show what would be trained; returns the exit code."""
    if request.all_stages:
        return _in_turn(request)
    try:
        begun = _begun(request)
    except SourceError:
        if rank():
            return 2  # the first process says the same
        raise
    if isinstance(begun, int):
        return begun
    job, checkpoint = begun
    if job.training.processes > 1 and processes() is None:
        return together(request.judged.arguments(), job.training.processes, RunFolder(job.output))
    return _train(job, checkpoint)


def _in_turn(request: Request) -> int:
    """Train all stages, each in a process of its own; with `--resume`, those that are not done yet."""
    from lora_doctor.train.stages import folder_of

    if request.stage is not None or request.config is None:
        raise click.UsageError("--all-stages trains every stage of a config: `lora-doctor train CONFIG --all-stages`")
    if processes() is not None:
        raise SourceError("--all-stages starts processes itself: --num-processes N, or one stage at a time by --stage")
    stages = [plan.stage for plan in _plans(request.config, request)[1] if plan.stage is not None]
    if not stages:
        raise SourceError(f"{request.config} has no stages")
    for stage in stages:
        done = ended(folder_of(stage, request.told)) if request.resume else None
        if done:
            tell(f"stage {stage.name} has {done} before")
            continue
        tell(f"stage {stage.name}")
        code = alone(request._replace(stage=stage.name, all_stages=False).arguments())
        if code:
            return code
    return 0


def _begun(request: Request) -> int | tuple[Job, Path | None]:
    """The job, and the checkpoint it goes on from; or an exit code, where there is nothing to train."""
    from lora_doctor.train.preflight import preflight
    from lora_doctor.train.resolve import resolve
    from lora_doctor.train.toml import as_toml

    document, plan = _plan(request)
    if document is not None and not request.no_preflight and _is_refused(request, document):
        return 1
    job = resolve(plan, request.told)
    if not (request.model or plan.model.setting.value):
        _announce(f"no model is named: lora-doctor's own micro Klein is trained, at 64 px ({job.model.path})")
    resolved = as_toml(job)
    if document is None and not request.no_preflight:
        chosen = _document(job.output, as_toml(job, defaults=False))
        if _is_refused(request, chosen):
            return 1
    _check_encoding(job, request)
    found = preflight(job)
    if request.dry_run:
        return _show(job, resolved, found) if not rank() else 0
    checkpoint = _gone_on(job, resolved)
    _need_extra()
    return _fitted(job, checkpoint), checkpoint


def _check_encoding(job: Job, request: Request) -> None:
    from lora_doctor.train.targets import UnfitError
    from lora_doctor.train.written import check_encoding

    try:
        check_encoding(job)
    except UnfitError as problem:
        if not request.no_preflight:
            raise
        _announce(problem.why)


def _say(sentence: str) -> None:
    """Tell once, however many processes there are."""
    if not rank():
        tell(sentence)


def _announce(sentence: str) -> None:
    """The same of what was told already where this process was started by one that told it."""
    if not is_told():
        _say(sentence)


def _fitted(job: Job, checkpoint: Path | None) -> Job:
    """The job with the batches a step that its checkpoint's run took."""
    from lora_doctor.train.resume import fitted

    if checkpoint is None:
        return job
    job, what = fitted(job, checkpoint)
    if what:
        _announce(what)
    return job


def _plan(request: Request) -> tuple[Document | None, Plan]:
    """The run to train, and the config it stands in; None where flags say it all."""
    from lora_doctor.dialects import native

    path = request.config
    saved = Path(request.output or "") / "config.toml"
    if path is None and request.resume and request.output and saved.is_file():
        path = str(saved)
    if path is None:
        if request.data is None:
            raise click.UsageError(
                "train what? `lora-doctor train CONFIG`, or --data DIR with --steps N and --output RUN"
            )
        empty = read_text("command line.toml", b"# no config: the command line says it all\n")
        return None, native.read(empty, "training", Reader())[0]
    return _plan_of(path, request)


def _plan_of(path: str, request: Request) -> tuple[Document, Plan]:
    document, plans = _plans(path, request)
    return document, _chosen(path, plans, request.stage)


def _plans(path: str, request: Request) -> tuple[Document, list[Plan]]:
    """The runs that a config holds."""
    try:
        document = read_file(Path(path))
    except SourceError as error:
        raise SourceError(f"{path}: {error.sentence}") from None
    known = recognise(document, known_trainer(request.trainer), force=True)
    if known is None:
        raise SourceError(f"{path} {UNRECOGNISED}; --trainer NAME reads it as one's")
    reader = Reader()
    plans = [typed(plan) for plan in known[0].read(document, known[1], reader) if plan.training]
    tell_problems(reader.problems)
    if not plans or reader.problems:
        raise SourceError(
            f"{path}: " + ("see above" if plans else f"a {known[1]} file of {known[0].TRAINER} holds no run")
        )
    return document, plans


def _chosen(path: str, plans: list[Plan], stage: str | None) -> Plan:
    """The one run of a config, or the stage that was asked for."""
    names = [plan.stage.name for plan in plans if plan.stage is not None]
    if stage is not None or names:
        found = next((plan for plan in plans if plan.stage is not None and plan.stage.name == stage), None)
        if found is None:
            what = f"has the stages {', '.join(names)}" if names else "has no stages"
            raise SourceError(
                f"{path} {what}" + (f": --stage {names[0]} trains the first, --all-stages all" if names else "")
            )
        return found
    if len(plans) > 1:
        raise SourceError(f"{path} holds {len(plans)} runs, and train takes one: give each a file of its own")
    return plans[0]


def _document(output: Path, resolved: str) -> Document:
    return read_text(str(output / "config.toml"), resolved.encode())


def _is_refused(request: Request, document: Document) -> bool:
    """Judge the config, show what was found; True where that includes an error."""
    result = settle(examine_document(document, Options(known_trainer(request.trainer), apart=True)))
    result = _without_told(result, request)
    _report(result)
    tell_problems(result.problems)
    errors = sum(each.level == "error" for each in result.found)
    if errors or result.problems:
        count = errors + len(result.problems)
        what = "this error" if count == 1 else f"these {count} errors"
        _say(f"nothing was trained: mend {what} first, or --no-preflight trains in spite of it")
    return bool(errors or result.problems)


def _without_told(result: Result, request: Request) -> Result:
    """Without findings about keys that the command line overrules."""
    if request.config is None:
        return result
    _, plan = _plan_of(request.config, request)
    settings: dict[str, Setting[Any]] = {
        "model.path": plan.model.setting,
        "captions.trigger": plan.trigger,
        "training.steps": plan.steps,
        "saving.every_steps": plan.saving.every_steps,
        "training.seed": plan.seed,
        "output": plan.saving.folder,
        "saving.resume": plan.saving.resume,
    }
    keys = {setting.key for key, setting in settings.items() if request.told[key] is not None}
    topics = ("dataset", "captions") if request.data else ()
    found = [each for each in result.found if each.finding.key not in keys and each.rule.topic not in topics]
    return result._replace(found=tuple(found))


def _report(result: Result) -> None:
    if not result.found or rank() or is_told():
        return
    colour = wants_colour(sys.stdout)
    report = Report(result.files, result.found, failed=len(result.problems), width=terminal_width(), colour=colour)
    click.echo(render(report, "text"), nl=False, color=True)


def _show(job: Job, resolved: str, found: Preflight) -> int:
    """The dry run: every value with its reason, and what it all comes to."""
    from lora_doctor.train.described import lines

    click.echo(resolved)
    for line in lines(job, found.coverage):
        click.echo(line)
    return 0


def _gone_on(job: Job, resolved: str) -> Path | None:
    """The checkpoint to go on from, and what changed since it was written."""
    from lora_doctor.train.resume import changes, checkpoint_of

    checkpoint = checkpoint_of(job)
    if checkpoint is None:
        if job.saving.resume:
            _announce(f"{job.output} has no checkpoint yet: training starts at the beginning")
        return None
    found = changes(checkpoint, job, resolved)
    for change in found:
        _announce(f"changed since this run began: {change.sentence}")
    rate = next((change for change in found if change.key == "optimizer.learning_rate"), None)
    if rate is not None and isinstance(rate.before, (int, float)):
        _judge_rate(_document(job.output, resolved), float(rate.before), checkpoint)
    return checkpoint


def _judge_rate(document: Document, before: float, checkpoint: Path) -> None:
    from lora_doctor.dialects import native
    from lora_doctor.history import RateChange
    from lora_doctor.judge import judge
    from lora_doctor.result import File

    (plan,) = native.read(document, "training", Reader())
    found, _ = judge([(plan, RateChange(plan, before, f"the run that {checkpoint.name} belongs to"))], document.name)
    _report(Result((File(document, native.TRAINER, "training"),), tuple(found)))


def lacking() -> list[str]:
    """Packages that training needs and this Python has not; nothing is imported."""
    return [name for name in EXTRA if find_spec(name) is None]


def _need_extra() -> None:
    missing = lacking()
    if missing:
        raise SourceError(f"training needs {', '.join(missing)}: pip install 'lora-doctor[data,train]'")


def _train(job: Job, checkpoint: Path | None) -> int:
    for sentence in job.dropped:
        _say(f"not honoured: {sentence}")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it misses an optional package of its own
    from lora_doctor.train.together import LostPeerError

    try:
        return _first(job, checkpoint) if not rank() else _other(job, checkpoint)
    except LostPeerError:
        if not is_told() and not rank():
            raise
        return LOST  # who started it says what happened


def _first(job: Job, checkpoint: Path | None) -> int:
    """Train in the process that looks, draws and writes."""
    from lora_doctor.train.companions import sentences
    from lora_doctor.train.live import Live
    from lora_doctor.train.start import CODES, train, watchers_of

    with Live(sys.stderr) as live:
        say = live.say if live.terminal else tell
        end = train(job, watchers_of(live, say), say, checkpoint, live.progress)
    tell(f"{end.status} at step {end.step} of {job.training.steps}: {end.reason}; {job.output}")
    for sentence in sentences(job):
        tell(sentence)
    return CODES[end.status]


def _other(job: Job, checkpoint: Path | None) -> int:
    """Train in one of the others, in silence."""
    from lora_doctor.train.start import CODES, train, watchers_beside

    return CODES[train(job, watchers_beside(job), lambda _: None, checkpoint).status]
