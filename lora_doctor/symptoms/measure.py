"""A run folder becomes a course: every signal that its files can give, and why the others can't."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from lora_doctor.dataset.arrays import need
from lora_doctor.dataset.cache import Cache
from lora_doctor.dataset.exam import pictures
from lora_doctor.dataset.record import Images
from lora_doctor.dataset.scan import scan
from lora_doctor.dataset.together import together
from lora_doctor.derived import effective_batch, optimizer_family
from lora_doctor.plan import Plan
from lora_doctor.runs.facts import Aside, Run, Sample
from lora_doctor.symptoms.advice import trained_images
from lora_doctor.symptoms.captioned import Captioned, captioned
from lora_doctor.symptoms.course import Course
from lora_doctor.symptoms.encoded import Encoders, Learned, Shown, Told, encoded, lacking
from lora_doctor.symptoms.likeness import Likeness, Side, groups_of, likeness
from lora_doctor.symptoms.looks import Looked, looks
from lora_doctor.symptoms.monitored import Rows, monitored, rows_of, window_of
from lora_doctor.symptoms.pixels import measure_files
from lora_doctor.symptoms.signals import Signal, Spec, specs
from lora_doctor.symptoms.tracks import tracks
from lora_doctor.symptoms.weights import Weighed, signals_of, weigh_all

Tell = Callable[[str, int, int], None]  # what is looked at, how many of it are done, of how many
MOST_SAMPLES = 4000  # of more, whole steps are left out evenly


class Pictures(NamedTuple):
    """Images of one folder, examined and measured."""

    images: Images
    pixels: object


def examine(
    run: Run,
    *,
    purpose: str | None = None,
    cache: Path | None = None,
    tell: Tell | None = None,
    table: Mapping[str, Spec] | None = None,
    rows: Rows | None = None,
    encoders: Encoders | None = None,
) -> Course:
    """Measure everything that needs no base model. cache: another file than the user's own; rows: what the base model
    was asked (`lora_doctor.probe.asked`), in place of what the run's own monitors wrote; encoders: the user's own.

    Raises:
        SourceError: the packages it needs are not installed.
    """
    need()
    said = captioned(run)
    run = _with_kinds(run, said.trigger)
    store = Cache(cache)
    try:
        found: list[Signal] = [*said.signals, *tracks(run), *_exposures(run)]
        rows = rows_of(run) if rows is None else rows
        found += monitored(rows)
        weighed = _weighed(run, store, tell)
        found += signals_of(run.checkpoints, weighed, _bf16_rate(run.plan))
        purpose = purpose or (run.plan.purpose.value if run.plan else None)
        like, seen, aside, told = _images(run, said, store, tell, encoders, purpose)
        found += (*seen, *told.signals)
    finally:
        store.close()
    run = run._replace(aside=(*run.aside, *aside))
    signals = {signal.name: signal for signal in found}
    why_not = {**reasons(run, bool(rows), encoders), **told.reasons}
    return Course(
        run,
        family_of(run),
        purpose,
        signals,
        {name: why for name, why in why_not.items() if name not in signals},
        like,
        _trained_prompts(run, said),
        said.trigger,
        table,
        window_of(run, rows),
        tuple(weighed),
        micro_of(run),
    )


def family_of(run: Run) -> str | None:
    """The model family: by the checkpoints' shapes, else by the plan."""
    known = [each.adapter.identity.family for each in run.checkpoints if each.adapter and each.adapter.identity.family]
    told = run.plan.model.family if run.plan else None
    return known[-1] if known else told


def micro_of(run: Run) -> bool:
    """Whether the checkpoints have a family's names and the shapes of none of its known sizes."""
    found = [each.adapter.identity for each in run.checkpoints if each.adapter]
    return bool(found) and all(each.certainty == "unknown" and each.names_of and not each.candidates for each in found)


def _with_kinds(run: Run, trigger: str) -> Run:
    """Samples with their kind: whether the prompt has the trigger, where the trainer itself does not say."""
    if not trigger:
        return run
    word = trigger.lower()

    def told(sample: Sample) -> Sample:
        if sample.kind not in ("", "user") or not sample.prompt:
            return sample
        text = sample.prompt.lower()
        return sample._replace(kind="trigger" if word in text or "[trigger]" in text else "plain")

    return run._replace(samples=tuple(told(sample) for sample in run.samples))


def _exposures(run: Run) -> list[Signal]:
    """How often each image had been shown, at each checkpoint."""
    batch, images = (effective_batch(run.plan), trained_images(run)) if run.plan else (None, None)
    if not batch or not images or run.axis != "step" or not run.steps or not run.steps[-1]:
        return []
    shown = tuple(step * batch / images for step in run.steps)
    counts = (images,) * len(shown)
    return [Signal(name, run.steps, shown, counts) for name in ("exposures", "few_exposures")]


def _weighed(run: Run, store: Cache, tell: Tell | None) -> list[Weighed | None]:
    whole, done = len(run.checkpoints), 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        if tell is not None:
            tell("checkpoint", done, whole)

    return weigh_all(run.checkpoints, store, count)


def _bf16_rate(plan: Plan | None) -> float | None:
    """The learning rate, where the adapter itself is kept in bf16 and nothing makes up for the rounding."""
    if plan is None or plan.network.dtype.value != "bf16":
        return None
    name, rate = str(plan.optimizer.name.value or "").lower(), plan.learning_rate.value
    if any(word in name for word in ("kahan", "stochastic", "bf16", "8bit")) or optimizer_family(name) != "adamw":
        return None
    return float(rate) if isinstance(rate, (int, float)) and rate > 0 else None


def _images(
    run: Run, said: Captioned, store: Cache, tell: Tell | None, encoders: Encoders | None, purpose: str | None
) -> tuple[Likeness | None, list[Signal], list[Aside], Told]:
    samples = evenly(run.samples)
    if not samples:
        return None, [], [], Told()
    root = run.folder.absolute()
    names = [os.path.relpath(each.path.absolute(), root).replace(os.sep, "/") for each in samples]
    images, pixels = _looked_at(root, names, store, "sample", tell)
    aside = [Aside(image.name, f"is no whole picture: {image.error}") for image in images if image.error]
    training = _training(run, store, tell)
    records = images.records
    checks = [(int(row["pixels"]), row["hash"].tobytes()) for row in records]
    formats = sorted({row["format"].decode() for row in records if row["width"]})
    looked = Looked(samples, pixels, checks, formats)
    found = list(looks(looked, training[1] if training else None))
    like, copies = None, []
    if training is not None and not any(each.control for each in samples):
        shown, own = training
        copies = [group.names for group in together(shown, store).copies]
        steps = [each.step if each.strength == 1.0 else None for each in samples]
        slots = [(each.slot or each.prompt, each.seed) for each in samples]
        side = Side(images, pixels, steps, slots, _trained(samples, said))
        like = likeness(side, Side(shown, own), store, copies)
        found += like.signals if like else ()
    told = Told()
    if encoders is not None:
        learned = None
        if training is not None:
            folder, names = training_files(run) or (root, [])
            learned = Learned(_shown(folder, training[0]), groups_of(names, copies))
        told = encoded(encoders, samples, _shown(root, images), learned, store, purpose=purpose, tell=tell)
    return like, found, aside, told


def _shown(folder: Path, images: Images) -> Shown:
    sound = set(images.sound().tolist())
    digests = [digest.tobytes() if i in sound else b"" for i, digest in enumerate(images.records["digest"])]
    return Shown(folder, images.names, digests)


def evenly(samples: Sequence[Sample]) -> list[Sample]:
    """Those that are looked at: all, or those of every so many steps; the first and last step always."""
    steps = sorted({each.step for each in samples if each.step is not None})
    every = max(1, -(-len(samples) // MOST_SAMPLES))
    kept = {*steps[::every], *steps[-1:]}
    return [each for each in samples if each.step is None or each.step in kept][: 2 * MOST_SAMPLES]


def _looked_at(folder: Path, names: Sequence[str], store: Cache, what: str, tell: Tell | None):  # type: ignore[no-untyped-def]
    """Images of a folder, examined and measured."""
    whole = 2 * len(names)
    done = len(names)

    def first(count: int, _: int) -> None:
        if tell is not None:
            tell(what, count, whole)

    def second(more: int) -> None:
        nonlocal done
        done += more
        if tell is not None:
            tell(what, done, whole)

    images = scan(folder, names, store, tell=first)
    return images, measure_files(folder, images, store, second)


def _training(run: Run, store: Cache, tell: Tell | None):  # type: ignore[no-untyped-def]
    """The training images that are to be learned, those of all folders together; None where none are known."""
    found = training_files(run)
    return _looked_at(*found, store, "training image", tell) if found else None


def training_files(run: Run) -> tuple[Path, list[str]] | None:
    """The folder above all training images that are to be learned, and their names in it; None where none are known."""
    if run.plan is None:
        return None
    folders = [d.listing for d in run.plan.datasets if d.listing and d.regularisation.value is not True]
    paths = [os.path.abspath(each.folder / name) for each in folders for name in pictures(each)]
    if not paths:
        return None
    root = Path(os.path.commonpath([os.path.dirname(path) for path in paths]))
    return root, [os.path.relpath(path, root).replace(os.sep, "/") for path in dict.fromkeys(paths)]


def _trained_prompts(run: Run, said: Captioned) -> int | None:
    """How many samples were made with a training caption: where copies show first."""
    trained = sum(_trained(run.samples, said))
    told = any(each.prompt for each in run.samples) and said.texts
    return trained if trained or told else None


def _trained(samples: Sequence[Sample], said: Captioned) -> list[bool]:
    """Whether each sample's prompt is a training caption, by its kind or its words."""
    captions = {" ".join(text.lower().split()) for text in said.texts}
    return [
        each.kind == "training" or (bool(each.prompt) and " ".join(each.prompt.lower().split()) in captions)
        for each in samples
    ]


def reasons(run: Run, asked: bool = False, encoders: Encoders | None = None) -> dict[str, str]:
    """Why signals may be missing, by name. asked: whether the base model was; encoders: those that were given."""
    gone = {gap.what for gap in run.gaps}
    samples = "no sample images" if not run.samples else ""
    first = samples or ("no samples of step 0" if any("step 0" in what for what in gone) else "")
    training = samples or ("training images not known" if "the training images" in gone else "")
    if any(each.control for each in run.samples):
        training = "samples are edits, which are to look like what they are made from"
    few = "fewer than four checkpoints in the later half of the run"
    weights = "" if run.checkpoints else "no checkpoints"
    prompts = samples or "no prompts both with and without a known trigger"
    logs = "no logs" if not run.curves else "not logged"
    named = {
        **dict.fromkeys(("copied_share", "likeness"), training or "fewer than three training images"),
        "recall": training or first or "no samples of training captions",
        "gap_share": training or "fewer than six training images",
        **dict.fromkeys(("diversity", "sameness"), first or "fewer than three prompts at each step"),
        **dict.fromkeys(("response", "grid"), first),
        **dict.fromkeys(("oversaturation", "contrast", "clipped", "high_frequency"), samples and first),
        "palette": first or training or "one sample at each step, or references without colour",
        "leak": prompts,
        **dict.fromkeys(("frozen_samples", "blank_samples"), samples or "samples of one step only"),
        "growth": weights or few,
        **dict.fromkeys(("continuity", "norm_fall", "same_weights", "unchanged"), weights or "a single checkpoint"),
        "rounded_away": "the adapter is not known to be kept in bf16",
        **dict.fromkeys(("loss_broken", "counter_restarts", "rate_jump", "gradient_growth"), logs),
        **dict.fromkeys(("heldout_rise", "heldout_slope", "past_optimum"), "no loss on held-out images is logged"),
        **dict.fromkeys(("exposures", "few_exposures"), "batch size, images or steps not known"),
        "strength_knee": "no samples at several strengths",
    }
    for name, spec in specs().items():
        if spec.kind == "denoiser":
            named[name] = "too few images or prompts" if asked else "needs the base model: --base FOLDER"
    named |= lacking(encoders or Encoders(), samples, first, training)
    return {name: why for name, why in named.items() if why}
