"""Rules look at LoRA files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lora_doctor.adapter.facts import Adapter
from lora_doctor.dialects.reader import Problem
from lora_doctor.result import Found
from lora_doctor.rule import load_topic, topics

TOPIC = "adapter"


def judge(facts: Iterable[Any], name: str = "") -> tuple[tuple[Found, ...], tuple[Problem, ...]]:
    """Every rule of the topic on every fact it is made for: an `Adapter`, a `Series`."""
    from lora_doctor.judge import run_rule

    found: list[Found] = []
    problems: list[Problem] = []
    rules = load_topic(TOPIC) if TOPIC in topics() else ()
    for fact in facts:
        for rule in rules:
            if rule.fact != type(fact).__name__ or (rule.families and _family(fact) not in rule.families):
                continue
            found += run_rule(rule, fact, "", name, problems)
    return tuple(found), tuple(problems)


def _family(fact: Any) -> str | None:
    return fact.identity.family if isinstance(fact, Adapter) else None
