"""What only a whole run can tell: findings reached through two files, and suppressions that nothing needed."""

from __future__ import annotations

import os
from pathlib import Path

from lora_doctor.dialects.reader import Problem
from lora_doctor.judge import run_rule, suppress
from lora_doctor.result import File, Found, Result
from lora_doctor.rule import all_rules, rules_for
from lora_doctor.selection import closest, find_rule
from lora_doctor.settings import SHARED_FILE, IgnoredKey, Settings
from lora_doctor.source.document import Span
from lora_doctor.source.read import read_file
from lora_doctor.suppress import Suppression, Suppressions, Unused, suppressions


def settle(result: Result) -> Result:
    """One finding once, in the order of the files and their lines; stale suppressions added."""
    real: dict[str, str] = {}
    order: dict[str, int] = {}
    kept: dict[tuple[str, str, tuple[int, int], str], Found] = {}
    problems = list(dict.fromkeys(result.problems))
    for each in (*result.found, *_stale(result, problems)):
        place = each.finding.place
        name = real.setdefault(place.document.name, os.path.realpath(place.document.name))
        order.setdefault(name, len(order))
        kept.setdefault((each.rule.id, name, place.span, each.finding.key), each)

    def place_of(each: Found) -> tuple[int, Span]:
        return order[real[each.finding.place.document.name]], each.finding.place.span

    return result._replace(found=tuple(sorted(kept.values(), key=place_of)), problems=tuple(problems))


def _stale(result: Result, problems: list[Problem]) -> list[Found]:
    """Findings about suppressions, in the files that were named and in the settings they are judged by."""
    judged: dict[str, File] = {}  # document -> the run that was judged with everything it refers to
    for file in result.files:
        if file.kind == "training" and not file.missing and file.options.datasets:
            judged |= {os.path.realpath(document.name): file for document in (file.document, *file.followed)}
    used = {(by.mark, name) for each, by in result.suppressed for name in (each.rule.id, *each.rule.aliases)}
    found: list[Found] = []
    for file in result.files:
        if suppressions(file.document):
            unused = _unused(file, judged.get(os.path.realpath(file.document.name)), used)
            found += _judge(Suppressions(file.document, unused), file, problems)
    for facts, file in _unused_keys(result, judged):
        found += _judge(facts, file, problems)
    return found


def _judge(facts: Suppressions, file: File, problems: list[Problem]) -> list[Found]:
    found: list[Found] = []
    for rule in rules_for([file.trainer], [], fact="Suppressions") if facts.unused else ():
        if file.options.selection.runs(rule, file.trainer):
            found += run_rule(rule, facts, file.trainer, facts.document.name, problems)
    return list(suppress(found, [facts.document], file.options).found)


def _unused_keys(result: Result, judged: dict[str, File]) -> list[tuple[Suppressions, File]]:
    """Lines of `ignore-keys` that nothing needs: only those that name one file, and that file was judged."""
    found: list[tuple[Suppressions, File]] = []
    for file in judged.values():
        name, settings = file.document.name, file.options.settings
        for entry in settings.ignore_keys if settings else ():
            if settings is None or set("*?[!") & set(entry.glob) or not settings.matches(name, (entry.glob,)):
                continue
            needed = any(entry.fits(each) and each.finding.place.document.name == name for each in result.ignored)
            why, _ = _why_unused(entry.rule.name, file, file)
            if entry.rule.kind == "rule" and why and not needed:
                found.append((_in_settings(settings, entry, why), file))
    return found


def _in_settings(settings: Settings, entry: IgnoredKey, why: str) -> Suppressions:
    """The line as it stands in the settings file."""
    document = read_file(Path(settings.file))
    root = ("tool", "lora-doctor") if os.path.basename(settings.file) == SHARED_FILE else ()
    span = document.entries[(*root, "ignore-keys", entry.glob, entry.number)].span
    suppression = Suppression(document, span, (entry.rule.name,), None)
    return Suppressions(document, (Unused(suppression, entry.rule.name, why),))


def _unused(file: File, run: File | None, used: set[tuple[tuple[str, int], str]]) -> tuple[Unused, ...]:
    found: list[Unused] = []
    for suppression in suppressions(file.document):
        if not suppression.rules:
            found.append(Unused(suppression, "", "unnamed"))
        for name in suppression.rules:
            if (suppression.mark, name) not in used:
                why, better = _why_unused(name, file, run)
                found += [Unused(suppression, name, why, better)] if why else []
    return tuple(found)


def _why_unused(name: str, file: File, run: File | None) -> tuple[str, str]:
    """The reason, empty where nothing certain can be said: the rule did not run, or not on all it looks at."""
    rule = find_rule(name)
    if rule is None:
        return "unknown", closest(name, [rule.id for rule in all_rules()]) or ""
    if rule.trainers and file.trainer not in rule.trainers:
        return "foreign", ""
    if rule.fact != "Plan" or run is None or not run.options.selection.runs(rule, run.trainer):
        return "", ""
    return "silent", ""
