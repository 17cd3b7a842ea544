"""What the trainer read of the captions: images that had none, captions that say the same, and the trigger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from lora_doctor.captions.facts import Captions
from lora_doctor.captions.read import read_captions
from lora_doctor.runs.facts import Run
from lora_doctor.symptoms.signals import Signal

FEWEST = 4  # captions of which sameness says anything


class Captioned(NamedTuple):
    """Signals, the captions' texts, and the trigger ("" where none is known)."""

    signals: tuple[Signal, ...]
    texts: tuple[str, ...]
    trigger: str


def captioned(run: Run) -> Captioned:
    """Of every folder that is to be learned (regularisation images follow other rules)."""
    folders = [each for each in read_captions(run.plan) if each.usual] if run.plan else []
    found = tuple(_signals(run, folders))
    return Captioned(found, tuple(text for each in folders for text in each.texts), trigger_of(run, folders))


def trigger_of(run: Run, folders: list[Captions]) -> str:
    """The plan's trigger, or the one the captions have in common."""
    told = run.plan.trigger.value if run.plan else None
    if isinstance(told, str) and told.strip():
        return told.strip()
    return next((each.trigger.word for each in folders if each.trigger), "")


def _signals(run: Run, folders: list[Captions]) -> Iterator[Signal]:
    at = (run.steps[-1],) if run.steps else (0,)
    images, filled = _files(run), sum(len(each.filled) for each in folders)
    if images and all(each.complete for each in folders):
        without = max(0.0, 1 - filled / images)
        yield Signal("captions_missing", at, (without,), (images,), 0.0, "a caption for each image")
    texts = [text.strip().lower() for each in folders for text in each.texts]
    if len(texts) >= FEWEST:
        yield Signal(
            "captions_alike", at, (1 - (len(set(texts)) - 1) / (len(texts) - 1),), (len(texts),), 0.0, "no two alike"
        )
    recorded = _recorded(run)
    if recorded is not None and len(texts) >= FEWEST:
        words = {word for text in set(texts) for word in text.replace(",", " ").split()}
        yield Signal(
            "tags_recorded", at, (float(recorded),), (len(texts),), float(len(words)), "words in the caption files"
        )


def _files(run: Run) -> int:
    """Images that are to have a caption file; a folder that only the command line names has no reader yet."""
    if run.plan is None or not run.plan.training:
        return 0
    folders = [d for d in run.plan.datasets if d.caption_source.value == "files" and d.regularisation.value is not True]
    return sum(len(each.listing.images) for each in folders if each.listing)


def _recorded(run: Run) -> int | None:
    """How many different words the trainer itself counted in the captions (`ss_tag_frequency`)."""
    for each in reversed(run.checkpoints):
        text = each.adapter.file.metadata.get("ss_tag_frequency") if each.adapter else None
        if not text:
            continue
        try:
            folders = json.loads(text)
            return len({word for tags in folders.values() for tag in tags for word in tag.replace(",", " ").split()})
        except (ValueError, AttributeError, TypeError, RecursionError):
            return None
    return None
