"""Documents become findings: recognise, read, judge."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lora_doctor.dialects import Dialect, recognise
from lora_doctor.dialects.reader import Problem, Reader
from lora_doctor.history import rate_changes
from lora_doctor.judge import judge, suppress, unexpected
from lora_doctor.plan import Dataset, Plan
from lora_doctor.result import File as File
from lora_doctor.result import Found as Found
from lora_doctor.result import Options as Options
from lora_doctor.result import Result as Result
from lora_doctor.result import joined
from lora_doctor.setting import Setting
from lora_doctor.settle import settle
from lora_doctor.source.document import Document, SourceError
from lora_doctor.source.read import read_file, read_text
from lora_doctor.typed import typed

UNRECOGNISED = "is no config of a trainer lora-doctor knows"
MAX_STRANGE_BYTES = 1024 * 1024  # the largest config a trainer ships has 60 KB; lock files and data have more
# Two of these words make a file that can't be parsed look like a training config.
_TELLTALE = re.compile(
    rb"\b(lora|network_(?:dim|alpha)|learning_rate|unet_lr|optimizer|gradient_accumulation_steps|pretrained_model_name"
    rb"|output_dir|train_batch_size|max_train_(?:steps|epochs)|mixed_precision|caption_ext(?:ension)?|num_repeats"
    rb"|diffusion_model|checkpoint_path|text_encoder|save_every|resolutions?|lr)\b"
)


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
    return settle(joined(examine(path, options) for path, options in jobs))


def examine(path: Path, options: Options) -> Result:
    """Read and judge one file, by itself; a fault of ours is told like any other problem and stops no other file."""
    try:
        text = options.texts.get(os.path.realpath(path)) if options.texts else None
        document = read_file(path) if text is None else read_text(str(path), text)
    except SourceError as error:
        if options.lenient and _strange(path):
            return Result(skipped=(str(path),))
        return Result(problems=(Problem(str(path), error.sentence, error.line, error.column),))
    except Exception as error:
        return Result(problems=(unexpected(str(path), "parsing this file", error),))
    try:
        return examine_document(document, options)
    except SourceError as error:
        return Result(problems=(Problem(str(path), error.sentence, error.line, error.column),))
    except Exception as error:
        return Result(problems=(unexpected(document.name, "reading this file", error),))


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
    plans = tuple(_under(options, plan) for plan in dialect.read(document, kind, reader))
    followed = {id(config.document): config.document for plan in plans for config in plan.configs}
    followed.pop(id(document), None)
    file = File(
        document,
        dialect.TRAINER,
        plans[0].kind if plans else kind,
        tuple(followed.values()),
        tuple(reader.missing),
        options,
    )
    facts, troubles = _facts(document, plans, dialect, options)
    found, problems = judge(facts, document.name, options.selection)
    problems = (*_duplicates(document), *reader.problems, *troubles, *problems)
    return Result((file,), problems=problems) + suppress(found, (document, *followed.values()), options)


def _under(options: Options, plan: Plan) -> Plan:
    """Every value of its field's type; the project's recipe where the config names none."""
    plan = typed(plan)
    if options.recipe is not None and plan.recipe.value is None:
        plan = plan._replace(recipe=Setting(options.recipe, "default", "recipe", plan.config.anchor))
    return plan


def _facts(
    document: Document, plans: tuple[Plan, ...], dialect: Dialect, options: Options
) -> tuple[list[tuple[Plan, Any]], list[Problem]]:
    """The records that rules look at, each with the plan it belongs to."""
    facts: list[tuple[Plan, Any]] = [(plan, plan) for plan in plans]
    if options.datasets and any(_has_captions(data) for plan in plans for data in plan.datasets):
        from lora_doctor.captions.read import read_captions

        facts += [(plan, captions) for plan in plans for captions in read_captions(plan)]
    if options.datasets and any(data.listing and data.listing.images for plan in plans for data in plan.datasets):
        facts = captioned(facts + _images(plans, options))
    if options.environment:
        from lora_doctor.environment import probe

        facts += [(plan, probe(plan)) for plan in plans if plan.training]
    adapters = [(plan, found) for plan in plans for found in _adapters(plan)]
    facts += [(plan, found) for plan, found in adapters if not isinstance(found, Problem)]
    damaged = [found for _, found in adapters if isinstance(found, Problem)]
    try:
        facts += [(change.plan, change) for change in rate_changes(document, plans, dialect, options.against)]
    except SourceError as error:
        return facts, [*damaged, Problem(document.name, error.sentence)]
    return facts, damaged


def _has_captions(data: Dataset) -> bool:
    """Whether there can be captions to read on this machine."""
    return data.listing is not None or data.caption_source.value in ("json", "column")


def _adapters(plan: Plan) -> list[Any]:
    """The LoRAs the run starts from or builds on; a problem where one can't be read."""
    if not plan.network.weights.value and not plan.network.beneath:
        return []
    from lora_doctor.adapter.start import adapters_of

    return list(adapters_of(plan))


def _images(plans: tuple[Plan, ...], options: Options) -> list[tuple[Plan, Any]]:
    """What is in the images, where the packages for it are installed."""
    from lora_doctor.dataset.arrays import missing

    if missing():
        return []
    from lora_doctor.dataset.exam import exam

    return [(plan, images) for plan in plans for images in exam(plan, tell=options.tell, apart=options.apart)]


def captioned(facts: list[tuple[Plan, Any]]) -> list[tuple[Plan, Any]]:
    """The same facts; each set of images with the captions of those that are copies of others."""
    read = {id(fact.data): fact for _, fact in facts if type(fact).__name__ == "Captions"}

    def beside(fact: Any) -> Any:
        if type(fact).__name__ != "ImageSet" or not fact.copies or id(fact.data) not in read:
            return fact
        copies = {name for group in fact.copies for name in group.names}
        return fact._replace(captions={e.image: e.text for e in read[id(fact.data)].entries if e.image in copies})

    return [(plan, beside(fact)) for plan, fact in facts]


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
