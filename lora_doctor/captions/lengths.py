"""Captions that are longer than the text encoder reads."""

from __future__ import annotations

from lora_doctor.captions.facts import Caption, Captions
from lora_doctor.captions.tokens import Count, about, counter_for
from lora_doctor.captions.triggers import has

NEAR = 0.6  # of the limit, by estimate: below, no tokenizer makes a caption too long


def cut_off(captions: Captions) -> list[tuple[Caption, Count]]:
    """The captions that certainly lose their end, each with its count."""
    limit, family = captions.limit, captions.plan.model.family
    if limit is None:
        return []
    long = [entry for entry in captions.filled if about(entry.text, family) > NEAR * limit]
    if not long:
        return []
    count = counter_for(captions.plan)
    counted = [(entry, count(entry.text, limit)) for entry in long]
    return [(entry, found) for entry, found in counted if found.end is not None]


def loses_trigger(captions: Captions, entry: Caption, count: Count) -> bool:
    """Whether the trigger stands only in the part that is lost."""
    trigger = captions.trigger
    if trigger is None or trigger.added or count.end is None:
        return False
    return has(count.lost(entry.text), trigger.word) and not has(entry.text[: count.end], trigger.word)


