"""Which rules a run wants: by id, topic, level or an unmistakable beginning of a name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from lora_doctor.rule import LEVELS, Rule, all_rules, topics
from lora_doctor.source.document import SourceError


class Selector(NamedTuple):
    """One resolved word: `kind` is `all`, `level`, `topic` or `rule`."""

    kind: str
    name: str = ""

    def may_fit(self, rule: Rule) -> bool:
        """Whether a finding of this rule can be meant; its level is known only when it is made."""
        return self.kind in ("all", "level") or self.name in (rule.id, rule.topic)

    def fits(self, rule: Rule, level: str) -> bool:
        """Whether a finding of this rule with this level is meant."""
        return self.may_fit(rule) and (self.kind != "level" or self.name == level)


EVERYTHING = (Selector("all"),)


class Selection(NamedTuple):
    """The wanted rules; `versions` (trainer -> version) turns off rules about bugs those versions do not have."""

    select: tuple[Selector, ...] = EVERYTHING
    ignore: tuple[Selector, ...] = ()
    versions: Mapping[str, str] = MappingProxyType({})

    def runs(self, rule: Rule, trainer: str) -> bool:
        """Whether the rule is worth running on a config of this trainer."""
        return any(self.shows(rule, level) for level in LEVELS) and rule.holds(self.versions.get(trainer, ""))

    def shows(self, rule: Rule, level: str) -> bool:
        """Whether a finding of this rule with this level is wanted."""
        chosen = any(selector.fits(rule, level) for selector in self.select)
        return chosen and not any(selector.fits(rule, level) for selector in self.ignore)


ALL = Selection()


def resolve(words: Iterable[str]) -> tuple[Selector, ...]:
    """Selectors of the words as written; several may stand in one, parted by commas.

    Raises:
        SourceError: a word names nothing, or more than one thing.
    """
    return tuple(_resolve(part.strip()) for word in words for part in word.split(",") if part.strip())


def _resolve(word: str) -> Selector:
    plain = word.lower().replace("_", "-")
    if plain == "all" or plain in LEVELS:
        return Selector("level", plain) if plain in LEVELS else EVERYTHING[0]
    names = _names()
    if plain in names:
        return names[plain]
    candidates = sorted(name for name in names if name.startswith(plain))
    if len(candidates) == 1:
        return names[candidates[0]]
    if candidates:
        shown = ", ".join(candidates[:8]) + (f" and {len(candidates) - 8} more" if len(candidates) > 8 else "")
        raise SourceError(f"`{word}` fits {shown}: write more of the name")
    renamed = next((rule.id for rule in all_rules() if plain in rule.aliases), None)
    if renamed:
        return Selector("rule", renamed)
    raise SourceError(f"`{word}` is no rule, topic or level{did_you_mean(plain, [*names, *LEVELS])}")


def _names() -> dict[str, Selector]:
    """Names of topics and rules, read from the file names: no rule is imported for it."""
    names = {topic.replace("_", "-"): Selector("topic", topic) for topic in topics()}
    ids = (stem.replace("_", "-") for stems in topics().values() for stem in stems)
    return names | {name: Selector("rule", name) for name in ids}


def closest(word: str, names: Iterable[str]) -> str | None:
    """The name that was probably meant."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, list(names), n=1, cutoff=0.6)), None)


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """`; did you mean ...?`, or nothing where no name is close."""
    name = closest(word, names)
    return f"; did you mean `{name}`?" if name else ""


def find_rule(name: str) -> Rule | None:
    """The rule of this id or former id."""
    return next((rule for rule in all_rules() if name == rule.id or name in rule.aliases), None)
