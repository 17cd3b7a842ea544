"""The rule decorator, and the shelf of rules: one file each, discovered, never registered."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable, Iterable
from functools import cache
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, NamedTuple

from lora_doctor.finding import Finding as Finding
from lora_doctor.finding import Fix as Fix
from lora_doctor.finding import Place as Place
from lora_doctor.finding import Related as Related
from lora_doctor.source.document import Document as Document
from lora_doctor.source.document import Span as Span

LEVELS = ("error", "warning", "note")
EVIDENCE = ("reproduced", "source", "documented", "reported", "contested")
Check = Callable[[Any], Iterable[Any]]  # findings; of rules on symptoms, verdicts

# A folder of rules that is named after a trainer or a model family speaks of that trainer or family only.
TRAINERS: dict[str, tuple[str, ...]] = {
    "lora_doctor": ("lora-doctor",),
    "diffusion_pipe": ("diffusion-pipe",),
    "ai_toolkit": ("ai-toolkit",),
    "simpletuner": ("SimpleTuner",),
    "kohya": ("sd-scripts", "kohya_ss"),  # the GUI hands its settings to sd-scripts
    "kohya_gui": ("kohya_ss",),
    "musubi": ("musubi-tuner",),
    "onetrainer": ("OneTrainer",),
    "diffusers": ("diffusers",),
}
# Folders with rules about other records than a plan.
OF_OTHER_FACTS = {"adapter", "captions", "dataset", "environment", "symptoms"}
_SIGNATURE = re.compile(rb"^def check\(\w+: (\w+)", re.M)
FAMILIES = {"klein": "flux2-klein", "sana": "sana", "sdxl": "sdxl", "flux1": "flux1"}


class Rule(NamedTuple):
    """A rule as the decorator found it. `topic` is its folder, `id` its file's name in kebab case."""

    id: str
    topic: str
    level: str
    evidence: str
    check: Check
    fact: str  # the record it looks at: Plan, Dataset...
    trainers: tuple[str, ...]
    families: tuple[str, ...]
    since: str
    until: str
    aliases: tuple[str, ...]

    def speaks_of(self, trainer: str, family: str | None) -> bool:
        """Whether the rule has anything to say about this trainer and model family."""
        return not (self.trainers and trainer not in self.trainers) and not (
            self.families and family not in self.families
        )

    def holds(self, version: str) -> bool:
        """Whether it holds for a version of its trainer: from `since` on, before `until`; always where unknown."""
        if not version:
            return True
        order = _order(version)
        return not (self.since and order < _order(self.since)) and not (self.until and order >= _order(self.until))

    @property
    def title(self) -> str:
        """The docstring's first line."""
        return (self.check.__doc__ or "").strip().partition("\n")[0].rstrip(".")


def _order(version: str) -> tuple[int, ...]:
    """Versions and dates compare by their numbers: `0.10.1` < `0.11`, `2026-02-16` < `2026-08-06`."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


def rule(
    *,
    level: str,
    evidence: str,
    trainer: str | tuple[str, ...] = (),
    family: str | tuple[str, ...] = (),
    since: str = "",
    until: str = "",
    aliases: tuple[str, ...] = (),
) -> Callable[[Check], Rule]:
    """Make a rule of a function that takes one record of facts and yields findings.

    `level` is error (a verified contradiction: it crashes, is ignored or wastes the run), warning (documented risk) or
    note (advice); `evidence` says why to believe it. `since` and `until` are versions of the trainer.
    """
    assert level in LEVELS, level
    assert evidence in EVIDENCE, evidence
    assert evidence != "contested" or level != "error", "a contested claim is at most a warning"

    def decorate(check: Check) -> Rule:
        *_, topic, stem = check.__module__.split(".")
        fact = next(
            getattr(kind, "__name__", str(kind)) for name, kind in check.__annotations__.items() if name != "return"
        )
        trainers = (trainer,) if isinstance(trainer, str) else trainer
        families = (family,) if isinstance(family, str) else family
        trainers = trainers or TRAINERS.get(topic, ())
        families = families or ((FAMILIES[topic],) if topic in FAMILIES else ())
        return Rule(
            stem.replace("_", "-"), topic, level, evidence, check, fact, trainers, families, since, until, aliases
        )

    return decorate


@cache
def topics() -> dict[str, tuple[str, ...]]:
    """Folders of rules and the modules in each."""
    shelf = Path(os.fspath(importlib.import_module("lora_doctor.rules").__path__[0]))
    found = {}
    for folder in sorted(entry.name for entry in os.scandir(shelf) if entry.is_dir()):
        names = sorted(name[:-3] for name in os.listdir(shelf / folder) if name.endswith(".py"))
        found[folder] = tuple(name for name in names if name != "__init__")
    return {folder: names for folder, names in found.items() if names}


@cache
def load_rule(topic: str, name: str) -> Rule:
    """The rule in one file.

    It is loaded from where it is known to lie: `import_module` would search for it, which costs a lint of one file
    4 of 80 ms.
    """
    module = f"lora_doctor.rules.{topic}.{name}"
    if module not in sys.modules:
        package = importlib.import_module(f"lora_doctor.rules.{topic}")
        path = os.path.join(package.__path__[0], f"{name}.py")
        spec = spec_from_file_location(module, path, loader=SourceFileLoader(module, path))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[module] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[module])
    loaded: Rule = sys.modules[module].check
    return loaded


def load_topic(topic: str) -> tuple[Rule, ...]:
    """The rules in one folder."""
    return tuple(load_rule(topic, name) for name in topics()[topic])


def all_rules() -> list[Rule]:
    """Every rule, sorted by topic and name."""
    return [rule for topic in topics() for rule in load_topic(topic)]


def rules_for(trainers: Iterable[str], families: Iterable[str | None], fact: str = "Plan") -> tuple[Rule, ...]:
    """The rules that can speak of these trainers and families, and look at this record; few others are imported."""
    return _rules_for(frozenset(trainers), frozenset(families), fact)


@cache
def _rules_for(trainers: frozenset[str], families: frozenset[str | None], fact: str) -> tuple[Rule, ...]:
    shelves = [
        topic
        for topic in topics()
        if (topic not in TRAINERS or not trainers.isdisjoint(TRAINERS[topic]))
        and (topic not in FAMILIES or FAMILIES[topic] in families)
    ]
    rules = [
        load_rule(topic, name)
        for topic in shelves
        for name in topics()[topic]
        if topic not in OF_OTHER_FACTS or _looks_at(topic, name) == fact
    ]
    return tuple(rule for rule in rules if rule.fact == fact)


@cache
def _looks_at(topic: str, name: str) -> str:
    """The record in a rule's signature, read from its text: importing the rule imports what makes such records."""
    folder = importlib.import_module("lora_doctor.rules").__path__[0]
    with open(os.path.join(folder, topic, f"{name}.py"), "rb") as file:
        found = _SIGNATURE.search(file.read())
    return found[1].decode() if found else ""
