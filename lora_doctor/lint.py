"""Documents become findings: recognise, read, judge."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from operator import add
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from lora_doctor.dialects import recognise
from lora_doctor.dialects.reader import Problem, Reader
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, Rule, rules_for
from lora_doctor.selection import Selection, did_you_mean, find_rule
from lora_doctor.source.document import Document, SourceError
from lora_doctor.source.read import read_file, read_text
from lora_doctor.suppress import Suppression, Suppressions, Unused, suppressing, suppressions

UNRECOGNISED = "is no config of a trainer lora-doctor knows"
MAX_STRANGE_BYTES = 1024 * 1024  # the largest config a trainer ships has 60 KB; lock files and data have more
# Two of these words make a file that can't be parsed look like a training config.
_TELLTALE = re.compile(
    rb"\b(lora|network_(?:dim|alpha)|learning_rate|unet_lr|optimizer|gradient_accumulation_steps|pretrained_model_name"
    rb"|output_dir|train_batch_size|max_train_(?:steps|epochs)|mixed_precision|caption_ext(?:ension)?|num_repeats"
    rb"|diffusion_model|checkpoint_path|text_encoder|save_every|resolutions?|lr)\b"
)


class Found(NamedTuple):
    """A finding with the rule that made it and the trainer it speaks of."""

    rule: Rule
    finding: Finding
    trainer: str

    @property
    def level(self) -> str:
        """The finding's own level where it has one, else the rule's."""
        return self.finding.level or self.rule.level


class Options(NamedTuple):
    """How one file is to be judged."""

    trainer: str | None = None  # overrules recognition
    datasets: bool = True  # look into image folders
    environment: bool = False  # look at what is installed on this machine
    against: str | None = None  # a git revision to compare with
    recipe: str | None = None  # the published recipe a project holds itself to
    selection: Selection = Selection()
    ignores: Callable[[Found], bool] = lambda found: False  # a project's ignores by path and key
    lenient: bool = False  # nobody named this file: pass over it where it does not look like a training config
    texts: Mapping[str, bytes] = MappingProxyType({})  # real path -> content that is not (yet) the one on disk


class File(NamedTuple):
    """One file looked at: whose it is, what kind, what it led to, and what it names that is not on this machine."""

    document: Document
    trainer: str
    kind: str
    followed: tuple[Document, ...] = ()
    missing: tuple[str, ...] = ()
    families: tuple[str | None, ...] = ()
    options: Options = Options()


class Result(NamedTuple):
    """Everything one run of the linter has to say."""

    files: tuple[File, ...] = ()
    found: tuple[Found, ...] = ()
    problems: tuple[Problem, ...] = ()
    skipped: tuple[str, ...] = ()  # files that are no trainer's config
    suppressed: tuple[tuple[Found, Suppression], ...] = ()

    def __add__(self, other: tuple[object, ...]) -> Result:  # joins the lists
        assert isinstance(other, Result)
        return Result(*(mine + theirs for mine, theirs in zip(self, other)))


def lint_file(
    path: Path,
    *,
    trainer: str | None = None,
    datasets: bool = True,
    environment: bool = False,
    against: str | None = None,
) -> Result:
    """Read and judge one file; whatever is wrong with it becomes a problem, never an exception."""
    return lint_files([(path, Options(trainer, datasets, environment, against))])


def lint_document(document: Document, *, trainer: str | None = None, datasets: bool = True) -> Result:
    """Judge one parsed file and what it refers to."""
    return settle(examine_document(document, Options(trainer, datasets)))


def lint_files(jobs: Iterable[tuple[Path, Options]]) -> Result:
    """Judge many files in one go: what two of them lead to is reported once."""
    return settle(reduce(add, (examine(path, options) for path, options in jobs), Result()))


def examine(path: Path, options: Options) -> Result:
    """Read and judge one file, by itself."""
    try:
        text = options.texts.get(os.path.realpath(path)) if options.texts else None
        document = read_file(path) if text is None else read_text(str(path), text)
    except SourceError as error:
        if options.lenient and _strange(path):
            return Result(skipped=(str(path),))
        return Result(problems=(Problem(str(path), error.sentence, error.line, error.column),))
    try:
        return examine_document(document, options)
    except SourceError as error:
        return Result(problems=(Problem(str(path), error.sentence, error.line, error.column),))
    except Exception as error:  # a dialect is wrong, not the user's file: the other files are still judged
        return Result(problems=(_unexpected(document.name, "reading this file", error),))


def _strange(path: Path) -> bool:
    """Whether a file that can't be parsed is none of our business; one that can't be read is told of."""
    try:
        if path.stat().st_size > MAX_STRANGE_BYTES:
            return True
        return len(set(_TELLTALE.findall(path.read_bytes()))) < 2
    except OSError:
        return False


def examine_document(document: Document, options: Options) -> Result:
    """Judge one parsed file and what it refers to, by itself."""
    recognised = recognise(document, options.trainer, force=not options.lenient)
    if recognised is None:
        return Result(skipped=(document.name,))
    dialect, kind = recognised
    reader = Reader(datasets=options.datasets, texts=options.texts)
    plans = dialect.read(document, kind, reader)
    followed = {id(config.document): config.document for plan in plans for config in plan.configs}
    followed.pop(id(document), None)
    file = File(
        document,
        dialect.TRAINER,
        plans[0].kind if plans else kind,
        tuple(followed.values()),
        tuple(reader.missing),
        tuple(plan.model.family for plan in plans),
        options,
    )
    found, problems = judge(plans, document.name, options.selection)
    kept, suppressed = _suppress(found, (document, *followed.values()))
    kept = tuple(each for each in kept if _wanted(each, options))
    return Result((file,), kept, (*_duplicates(document), *reader.problems, *problems), (), suppressed)


def judge(
    plans: Iterable[Plan], name: str, selection: Selection = Selection()
) -> tuple[tuple[Found, ...], tuple[Problem, ...]]:
    """Every rule that speaks of these plans; a rule that fails is a problem of its own and stops nothing."""
    found: dict[tuple[str, str, tuple[int, int]], Found] = {}
    problems: list[Problem] = []
    for plan in plans:
        for rule in rules_for([plan.trainer], [plan.model.family]):
            if not speaks_of(rule, plan.trainer, plan.model.family) or not selection.runs(rule, plan.trainer):
                continue
            for each in _check(rule, plan, plan.trainer, name, problems):
                place = each.finding.place
                found.setdefault((rule.id, place.document.name, place.span), each)
    return tuple(found.values()), tuple(problems)


def speaks_of(rule: Rule, trainer: str, family: str | None) -> bool:
    """Whether the rule has anything to say about this trainer and model family."""
    return (not rule.trainers or trainer in rule.trainers) and (not rule.families or family in rule.families)


def _check(rule: Rule, fact: Any, trainer: str, name: str, problems: list[Problem]) -> list[Found]:
    try:
        return [Found(rule, finding, trainer) for finding in rule.check(fact)]
    except Exception as error:  # a rule is wrong, not the user's file: say which, go on with the others
        problems.append(_unexpected(name, f"the rule `{rule.id}`", error))
        return []


def _unexpected(name: str, what: str, error: Exception) -> Problem:
    if os.environ.get("LORA_DOCTOR_DEBUG"):
        import traceback

        traceback.print_exception(error)
    return Problem(name, f"{what} failed ({type(error).__name__}: {error}); please report it")


def _wanted(found: Found, options: Options) -> bool:
    return options.selection.shows(found.rule, found.level) and not options.ignores(found)


def _suppress(
    found: Iterable[Found], documents: Iterable[Document]
) -> tuple[tuple[Found, ...], tuple[tuple[Found, Suppression], ...]]:
    candidates = [each for document in documents for each in suppressions(document)]
    kept: list[Found] = []
    suppressed: list[tuple[Found, Suppression]] = []
    for each in found:
        by = suppressing(each.finding.place, (each.rule.id, *each.rule.aliases), candidates) if candidates else None
        if by is None:
            kept.append(each)
        else:
            suppressed.append((each, by))
    return tuple(kept), tuple(suppressed)


def settle(result: Result) -> Result:
    """What only the whole run can tell: findings reached through two files, and suppressions that nothing needed."""
    real: dict[str, str] = {}
    order: dict[str, int] = {}
    kept: dict[tuple[str, str, tuple[int, int]], Found] = {}
    problems = list(dict.fromkeys(result.problems))
    for each in (*result.found, *_stale(result, problems)):
        place = each.finding.place
        name = real.setdefault(place.document.name, os.path.realpath(place.document.name))
        order.setdefault(name, len(order))
        kept.setdefault((each.rule.id, name, place.span), each)
    found = sorted(kept.values(), key=lambda each: (order[real[each.finding.place.document.name]], each.finding.place.span))
    return result._replace(found=tuple(found), problems=tuple(problems))


def _stale(result: Result, problems: list[Problem]) -> list[Found]:
    """Findings about suppressions, in the files that were named."""
    judged: dict[str, File] = {}  # document -> the run that was judged with everything it refers to
    for file in result.files:
        if file.kind == "training" and not file.missing and file.options.datasets:
            judged |= {os.path.realpath(document.name): file for document in (file.document, *file.followed)}
    used = {(by.mark, name) for each, by in result.suppressed for name in (each.rule.id, *each.rule.aliases)}
    found: list[Found] = []
    for file in result.files:
        if not suppressions(file.document):
            continue
        unused = _unused(file, judged.get(os.path.realpath(file.document.name)), used)
        for rule in rules_for([file.trainer], [], fact="Suppressions"):
            if unused and file.options.selection.runs(rule, file.trainer):
                made = _check(rule, Suppressions(file.document, unused), file.trainer, file.document.name, problems)
                kept, _ = _suppress(made, [file.document])
                found += [each for each in kept if _wanted(each, file.options)]
    return found


def _unused(file: File, run: File | None, used: set[tuple[tuple[str, int], str]]) -> tuple[Unused, ...]:
    found: list[Unused] = []
    for suppression in suppressions(file.document):
        if not suppression.rules:
            found.append(Unused(suppression, "", "unnamed"))
        for name in suppression.rules:
            if (suppression.mark, name) not in used:
                why, closest = _why_unused(name, file, run)
                found += [Unused(suppression, name, why, closest)] if why else []
    return tuple(found)


def _why_unused(name: str, file: File, run: File | None) -> tuple[str, str]:
    """The reason, empty where nothing certain can be said: the rule did not run, or not on all it looks at."""
    rule = find_rule(name)
    if rule is None:
        from lora_doctor.rule import all_rules

        return "unknown", did_you_mean(name, [rule.id for rule in all_rules()])
    if rule.trainers and file.trainer not in rule.trainers:
        return "foreign", ""
    if rule.fact != "Plan" or run is None or not run.options.selection.runs(rule, run.trainer):
        return "", ""
    return "silent", ""


def _duplicates(document: Document) -> list[Problem]:
    problems = []
    for path, first, last in document.duplicates:
        line, column = document.position(last.start)
        sentence = (
            f"the key `{path[-1]}` is written twice (first on line {document.position(first.start).line}); "
            "loaders keep the last without a word: remove one"
        )
        problems.append(Problem(document.name, sentence, line, column))
    return problems
