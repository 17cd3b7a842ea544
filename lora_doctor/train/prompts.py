"""The prompts a run is watched with: a matrix of what should and what should not change, made from its captions.

    training    two captions as they are trained: where copies of training images show first
    novel       what is taught, in surroundings that no caption names: what the LoRA is for
    style       what is taught, drawn another way: whether the prompt still counts
    class       the same surroundings with the class's name instead of the trigger: what leaks (only with a trigger)
    unrelated   something else altogether: what is forgotten
    user        prompts of the config, as they are

The words of the surroundings are common ones, in the manner the captions are written in (sentences or tags); SDXL's
encoders and the language models of FLUX.2 Klein and SANA take both. A micro model, which knows a small world only, says
its own in `lora_doctor.json` (`contexts`, `styles`, `unrelated`: lists in which `{}` stands for the subject).
No torch here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lora_doctor.captions.triggers import has
from lora_doctor.captions.words import after, constants, style, words

KINDS = ("training", "novel", "style", "class", "unrelated", "user")
TAUGHT = ("training", "novel", "style")  # kinds whose prompts call what is taught
SHARE = 0.5  # of the captions that must name a class for it to be the class


class Manner(NamedTuple):
    """Surroundings, ways of drawing, and other things; `{}` stands for the subject."""

    contexts: tuple[str, ...]
    styles: tuple[str, ...]
    unrelated: tuple[str, ...]


SENTENCES = Manner(
    (
        "a photo of {} on a wooden table by a window",
        "a photo of {} in a snowy forest at dusk",
        "a photo of {} on a sandy beach under a blue sky",
        "a photo of {} in front of a red brick wall at night",
    ),
    ("a watercolor painting of {}", "a pencil sketch of {} on white paper"),
    ("a photo of a lighthouse on a cliff above the sea", "a photo of a bowl of fruit on a kitchen counter"),
)
TAGS = Manner(
    (
        "{}, wooden table, window, indoors",
        "{}, snow, forest, dusk",
        "{}, beach, sand, blue sky",
        "{}, brick wall, night, city lights",
    ),
    ("{}, watercolor painting", "{}, pencil sketch, white background"),
    ("lighthouse, cliff, sea, sky", "bowl of fruit, kitchen, still life"),
)
THINGS = ("a cat", "an old man", "a red car", "a house")  # what a style is tried on, where no class is known


class Slot(NamedTuple):
    """One prompt of the matrix: `novel-1` is its name in files and lists."""

    name: str
    kind: str
    prompt: str


class Subject(NamedTuple):
    """What is taught, as words: with the trigger and without; several where a style has no subject of its own."""

    called: tuple[str, ...]
    plain: tuple[str, ...]
    word: str | None = None  # the class


def subject_of(captions: Sequence[str], trigger: str | None, purpose: str | None) -> Subject:
    """The class is the word behind the trigger, else the first that most captions share; a style has none."""
    own = [text for text in captions if trigger and has(text, trigger)] or list(captions)
    word = None
    if purpose != "style":
        behind = after(own, trigger) if trigger else None
        shared = {found for found, _ in constants(tuple(own), SHARE, (trigger or "").split())}
        word = behind if behind in shared else _first(own, shared)
    if word is None:
        called = tuple(f"{trigger}, {thing}" if trigger else thing for thing in THINGS)
        return Subject(called, THINGS)
    plain = f"{'an' if word[0] in 'aeiou' else 'a'} {word}"
    return Subject((f"{trigger} {word}" if trigger else plain,), (plain,), word)


def _first(captions: Sequence[str], shared: set[str]) -> str | None:
    """The shared word that most captions name before the others: subjects come before their surroundings."""
    found = Counter(next((w.lower() for w in words(text) if w.lower() in shared), "") for text in captions)
    found.pop("", None)
    return found.most_common(1)[0][0] if found else None


def manner_of(captions: Sequence[str], said: Mapping[str, Any]) -> Manner:
    """How to write: as the captions are written; `said` is what a micro model says of itself."""
    kinds = Counter(style(text) for text in captions)
    usual = TAGS if kinds["tags"] > kinds["prose"] else SENTENCES
    own = (said.get(key) for key in Manner._fields)
    return Manner(*(tuple(map(str, given)) if given else known for given, known in zip(own, usual)))


def matrix(
    captions: Sequence[str],
    trigger: str | None = None,
    purpose: str | None = None,
    own: Sequence[str] = (),
    said: Mapping[str, Any] = {},
) -> list[Slot]:
    """Prompts for sample images: at most eight, and the user's. `captions` as they are trained, in a fixed order."""
    subject, manner = subject_of(captions, trigger, purpose), manner_of(captions, said)
    lists = {
        "training": _apart(captions),
        "novel": _filled(manner.contexts[:2], subject.called),
        "style": _filled(manner.styles[:1], subject.called[:1]),
        "class": _filled(manner.contexts[:2], subject.plain) if trigger else [],
        "unrelated": list(manner.unrelated[:1]),
        "user": [_called(prompt, trigger) for prompt in own],
    }
    return [
        Slot(f"{kind}-{nth}", kind, prompt)
        for kind in KINDS
        for nth, prompt in enumerate(dict.fromkeys(each for each in lists[kind] if each))
    ]


def pairs(
    captions: Sequence[str], trigger: str | None = None, purpose: str | None = None, said: Mapping[str, Any] = {}
) -> list[tuple[str, str]]:
    """The same thing in every surrounding, called by the trigger and not: what leakage is measured on."""
    subject, manner = subject_of(captions, trigger, purpose), manner_of(captions, said)
    return list(zip(_filled(manner.contexts, subject.called), _filled(manner.contexts, subject.plain)))


def unrelated(captions: Sequence[str], said: Mapping[str, Any] = {}) -> list[str]:
    """Prompts that have nothing to do with what is taught."""
    return list(manner_of(captions, said).unrelated)


class Asks(NamedTuple):
    """Prompts a denoiser is asked about: that call what is taught, the same with and without the trigger, others."""

    taught: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    unrelated: tuple[str, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys([*self.taught, *(each for pair in self.pairs for each in pair), *self.unrelated]))


def asks(
    captions: Sequence[str], trigger: str | None = None, purpose: str | None = None, said: Mapping[str, Any] = {}
) -> Asks:
    """The prompts that tell whether prompts still count, what leaks and what drifts."""
    both = pairs(captions, trigger, purpose, said)
    slots = matrix(captions, trigger, purpose, (), said)
    taught = dict.fromkeys([*(slot.prompt for slot in slots if slot.kind in TAUGHT), *(called for called, _ in both)])
    return Asks(tuple(taught), tuple(both) if trigger else (), tuple(unrelated(captions, said)))


def _filled(templates: Sequence[str], subjects: Sequence[str]) -> list[str]:
    return [template.replace("{}", subjects[nth % len(subjects)]) for nth, template in enumerate(templates)]


def _called(prompt: str, trigger: str | None) -> str:
    """`[trigger]` in a user's prompt stands for the trigger."""
    return prompt.replace("[trigger]", trigger or "").strip()


def _apart(captions: Sequence[str]) -> list[str]:
    """Two captions that have the fewest words in common: different training images."""
    texts = sorted({text for text in captions if text})
    if len(texts) < 3:
        return texts
    first = texts[0]
    known = {word.lower() for word in words(first)}
    other = min(texts[1:], key=lambda text: len(known & {w.lower() for w in words(text)}) / (len(words(text)) or 1))
    return [first, other]
