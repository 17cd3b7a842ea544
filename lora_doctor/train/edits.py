"""What an edit is watched with: instructions on images that were trained on, on held-out ones, and the user's own.

    training    two pairs as they are trained
    novel       two held-out pairs; where none are held out, instructions on other images than they were trained on
    user        prompts of the config, each on the first image of the novel ones
    unrelated   something else altogether, without an image: what is forgotten of drawing from words

No torch here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from lora_doctor.train.families import micro_of
from lora_doctor.train.images import Item
from lora_doctor.train.job import Job
from lora_doctor.train.prompts import Asks, Slot, asks, unrelated

SHOWN = 2  # pairs of each kind
ASKED = 6  # instructions the probes ask about


class Shown(NamedTuple):
    """A prompt, and the item whose control images it is drawn with; None: without."""

    slot: Slot
    item: Item | None


def edits(
    trained: Sequence[Item], held_out: Sequence[Item], own: Sequence[str] = (), said: Mapping[str, Any] = {}
) -> list[Shown]:
    """The pairs to draw; each item shows one of its resolutions."""
    seen, unseen = _paired(trained), _paired(held_out)
    base = (unseen or seen)[:1]
    lists: dict[str, list[tuple[str, Item | None]]] = {
        "training": _told(seen[:SHOWN]),
        "novel": _told(unseen[:SHOWN]) or _exchanged(seen[:SHOWN]),
        "user": [(prompt, item) for prompt in own for item in base],
        "unrelated": [(prompt, None) for prompt in unrelated([item.picture.caption for item in seen], said)[:1]],
    }
    return [
        Shown(Slot(f"{kind}-{nth}", kind, prompt), item)
        for kind, found in lists.items()
        for nth, (prompt, item) in enumerate(found)
    ]


def _paired(items: Sequence[Item]) -> list[Item]:
    """One item of every picture that has control images."""
    return list({item.picture.path: item for item in reversed(items) if item.views}.values())[::-1]


def _told(items: Sequence[Item]) -> list[tuple[str, Item | None]]:
    return [(item.picture.caption, item) for item in items]


def _exchanged(items: Sequence[Item]) -> list[tuple[str, Item | None]]:
    """The instruction of one pair on the image of another; of a single pair there is no other."""
    turned = [*items[1:], *items[:1]]
    return [(one.picture.caption, other) for one, other in zip(items, turned)] if len(items) > 1 else []


def asked_edits(captions: Sequence[str], own: Sequence[str], said: Mapping[str, Any]) -> Iterator[str]:
    """Every prompt that a run on pairs is watched with."""
    yield from dict.fromkeys([*captions, *own, *unrelated(captions, said)])


def asks_of(job: Job, captions: Sequence[str]) -> Asks:
    """The prompts that tell whether prompts still count, what leaks and what drifts.

    Of an edit they are instructions, evenly spread over the captions, and nothing leaks: what is taught has no name.
    """
    said = micro_of(job.model.path)
    if not job.edits:
        return asks(captions, job.captions.trigger, job.purpose, said)
    taught = sorted(dict.fromkeys(text for text in captions if text))
    few = taught[:: max(1, len(taught) // ASKED)][:ASKED]
    return Asks(tuple(few), (), tuple(unrelated(captions, said)))
