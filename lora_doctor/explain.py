"""A rule's docstring as a page: for the terminal, for SARIF's help, and for a table of all rules."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from lora_doctor.examples import Example, examples
from lora_doctor.report.terminal import paint
from lora_doctor.rule import Rule

_SECTION = re.compile(r"^(Why|Instead|Sources): ", re.M)


class Page(NamedTuple):
    """What a rule says about itself. Paragraphs are unwrapped."""

    title: str
    why: str
    instead: str
    sources: tuple[str, ...]
    examples: tuple[Example, ...]


def page(rule: Rule) -> Page:
    """The page of one rule."""
    text = inspect.cleandoc(rule.check.__doc__ or "")
    prose = text.partition("\n```")[0]
    parts = _SECTION.split(prose)
    sections = {name: " ".join(body.split()) for name, body in zip(parts[1::2], parts[2::2])}
    sources = tuple(source.strip() for source in sections.get("Sources", "").split("; ") if source.strip())
    return Page(rule.title, sections.get("Why", ""), sections.get("Instead", ""), sources, tuple(examples(rule)))


def scope(rule: Rule) -> str:
    """Whom a rule speaks of: `diffusion-pipe`, `flux2-klein`, `every trainer`."""
    return ", ".join((*rule.trainers, *rule.families)) or "every trainer"


def versions(rule: Rule) -> str:
    """`since 1.0`, `until 2.0` or both; empty where the rule holds for all."""
    return ", ".join(f"{word} {version}" for word, version in (("since", rule.since), ("until", rule.until)) if version)


def as_text(rule: Rule, *, width: int = 88, colour: bool = False) -> str:
    """The page for a terminal."""
    found = page(rule)
    facts = [rule.level, f"evidence: {rule.evidence}", scope(rule), versions(rule)]
    lines = [paint(rule.id, rule.level, colour), paint(found.title, "bold", colour), ", ".join(filter(None, facts)), ""]
    for head, body in (("Why", found.why), ("Instead", found.instead)):
        lines += [paint(head, "bold", colour), *_wrapped(body, width, "  "), ""]
    lines += [paint("Sources", "bold", colour)]
    for source in found.sources:
        lines += textwrap.wrap(source, width, initial_indent="  - ", subsequent_indent="    ", break_long_words=False)
    for flagged in (True, False):
        example = next((each for each in found.examples if each.flagged is flagged), None)
        lines += ["", *_example(example, flagged, colour)] if example else []
    return "\n".join(lines) + "\n"


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _subject(example: Example) -> str:
    return example.trainer or ("a run" if example.syntax == "run" else "a LoRA file")


def _example(example: Example, flagged: bool, colour: bool) -> Iterator[str]:
    subject = _subject(example)
    yield paint(f"{'Flagged' if flagged else 'Fine'} ({subject}, {example.name})", "bold", colour)
    for name, content in example.beside:
        yield f"    beside it: {name}{': ' + content.splitlines()[0] if content else ''}"
    yield from (f"    on a machine with {line}" for line in example.environment.splitlines())
    yield from (f"    {line}".rstrip() for line in example.text.splitlines())


def as_markdown(rule: Rule) -> str:
    """The page for SARIF viewers."""
    found = page(rule)
    parts = [f"**{found.title}** ({rule.level}, evidence: {rule.evidence})", f"**Why:** {found.why}"]
    parts += [f"**Instead:** {found.instead}", "**Sources:**\n" + "\n".join(f"- {source}" for source in found.sources)]
    for flagged in (True, False):
        example = next((each for each in found.examples if each.flagged is flagged), None)
        if example:
            head = "Flagged" if flagged else "Fine"
            subject = _subject(example)
            parts.append(f"**{head}** ({subject}):\n\n```{example.syntax}\n{example.text.rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


def as_table(rules: Iterable[Rule]) -> str:
    """Every rule in one Markdown table, for the README."""
    rows = [
        f"| `{rule.id}` | {rule.level} | {rule.evidence} | {scope(rule)} | {rule.title.replace('|', chr(92) + '|')} |"
        for rule in rules
    ]
    head = ["| rule | level | evidence | speaks of | finds |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([*head, *rows]) + "\n"


def as_list(rules: Iterable[Rule]) -> str:
    """Every rule under its topic, for a terminal."""
    rules = list(rules)
    longest = max((len(rule.id) for rule in rules), default=0)
    lines: list[str] = []
    topic = ""
    for rule in rules:
        if rule.topic != topic:
            lines += [""] * bool(topic) + [rule.topic.replace("_", "-")]
            topic = rule.topic
        lines.append(f"  {rule.id:<{longest}}  {rule.level:<7}  {rule.title}")
    return "\n".join(lines) + "\n"


def as_json(rules: Iterable[Rule]) -> list[dict[str, Any]]:
    """Every rule for programs."""
    return [
        {
            "id": rule.id,
            "topic": rule.topic,
            "level": rule.level,
            "evidence": rule.evidence,
            "title": rule.title,
            "trainers": list(rule.trainers),
            "families": list(rule.families),
            "since": rule.since or None,
            "until": rule.until or None,
        }
        for rule in rules
    ]
