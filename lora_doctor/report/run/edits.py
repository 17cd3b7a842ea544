"""What to do, once for each setting: sentences, and the edits themselves as a diff of the user's own config."""

from __future__ import annotations

from difflib import unified_diff
from typing import NamedTuple

from lora_doctor.claims import changes_only_what_it_claims
from lora_doctor.plan import Plan
from lora_doctor.report.document import lines, marked, plain
from lora_doctor.report.mask import without_tokens
from lora_doctor.report.run.facts import RunPage
from lora_doctor.setting import Config, Setting, is_of_type
from lora_doctor.source.document import Document, SourceError
from lora_doctor.source.edit import Edit, apply
from lora_doctor.symptoms.verdict import Advice


class Step(NamedTuple):
    """One thing to do. reasons: the symptoms it is for; others: values that other symptoms would rather have."""

    advice: Advice
    reasons: tuple[str, ...]
    others: tuple[str, ...] = ()
    now: str = ""


def steps_of(page: RunPage) -> list[Step]:
    """The advice of all symptoms that are there, each setting once: the worst and surest symptom has its way."""
    found: dict[str, Step] = {}
    for each in page.present:
        for advice in each.verdict.advice:
            name = advice.key or advice.text
            known = found.get(name)
            if known is None:
                found[name] = Step(advice, (each.rule.title,), (), _now(page.course.plan, advice.key))
            elif not known.advice.value and advice.value:  # a step to stop at is more than "fewer steps"
                found[name] = known._replace(advice=advice, reasons=(*known.reasons, each.rule.title))
            elif advice.value in ("", known.advice.value):
                found[name] = known._replace(reasons=tuple(dict.fromkeys((*known.reasons, each.rule.title))))
            else:
                other = f"{advice.value} ({each.rule.title.rstrip('.').lower()})"
                found[name] = known._replace(others=(*known.others, other))
    return list(found.values())


def setting_of(plan: Plan | None, key: str) -> tuple[Config, Setting[object]] | None:
    """Where a key of an advice stands, or would stand, in the run's config; the first place of several."""
    for config in plan.configs if plan is not None and key else ():
        own = key.removeprefix(config.prefix)
        own = next(iter(config.places(own)), "") if "*" in own else own
        if own and (config.has(own) or config.table.find(own) is not None):
            return config, config.get(own)
    return None


def _now(plan: Plan | None, key: str) -> str:
    """The value as it is, `1000` or `1e-4 (default)`; "" where it is not known."""
    found = setting_of(plan, key)
    if found is None or found[1].value is None:
        return ""
    value = found[1].value
    said = f"{value:g}" if isinstance(value, float) else str(value)
    return said if found[1].written else f"{said}, the trainer's default"


def diff_of(page: RunPage, steps: list[Step]) -> str:
    """The edits as a unified diff of the config; what can't be written into it stands below as `key = value`."""
    edits: dict[str, tuple[Document, list[Edit]]] = {}
    wanted = [step.advice for step in steps if step.advice.key and step.advice.value]
    left = [advice for advice in wanted if not _written(page.course.plan, advice, edits)]
    rest = [f"{advice.key} = {advice.value}" for advice in left]
    parts = [_diff(document, own) for document, own in edits.values()]
    return "\n".join([*parts, *rest]).strip()


def _written(plan: Plan | None, advice: Advice, edits: dict[str, tuple[Document, list[Edit]]]) -> bool:
    """Add the edits of one setting to those of its file; whether they go together."""
    found = setting_of(plan, advice.key)
    fix = found[1].write(_typed(found[0], advice)) if found else None
    if fix is None:
        return False
    document, own = edits.get(fix.document.name, (fix.document, []))
    whole = [*own, *fix.edits]
    try:
        if not changes_only_what_it_claims(document, whole, apply(document.text, whole)):
            return False
    except SourceError:
        return False
    edits[document.name] = (document, whole)
    return True


def _typed(config: Config, advice: Advice) -> object:
    """The value in the type that the trainer's key has."""
    known = config.table.find(advice.key.removeprefix(config.prefix))
    for kind in (int, float):
        try:
            value = kind(advice.value)
        except ValueError:
            continue
        if known is None or is_of_type(value, known.type, config.lenient):
            return value
    return advice.value


def _diff(document: Document, edits: list[Edit]) -> str:
    before, after = (
        text.decode("utf-8", "replace").splitlines() for text in (document.text, apply(document.text, edits))
    )
    return "\n".join(unified_diff(before, after, document.name, document.name, n=1, lineterm=""))


def fix_list(page: RunPage) -> str:
    """The section; empty where there is nothing to do."""
    steps = steps_of(page)
    window = page.course.window
    first = f"<li><p>{marked(_sentence(window.sentence))}</p></li>" if window is not None else ""
    if not steps and not first:
        return ""
    items = first + "".join(_item(step) for step in steps)
    diff = without_tokens(diff_of(page, steps))
    edits = ""
    if diff:
        where = page.run.trainer or "the trainer"
        edits = (
            f'<div class="bar-line"><h3>The same as edits for {plain(where)}</h3><button type="button" '
            f'data-copies="edits">copy</button></div><pre class="diff">{_coloured(diff)}</pre>'
            f'<textarea id="edits" hidden readonly rows="8">{lines(diff)}</textarea>'
        )
    listed = "\n".join(f"- [ ] {step.advice.text}" for step in steps)
    button = '<button type="button" data-copies="todo">copy as a list</button>' if steps else ""
    return (
        f'<section id="fix"><div class="bar-line"><h2>What to do</h2>{button}</div>'
        f'<textarea id="todo" hidden readonly rows="8">{lines(listed)}</textarea>'
        '<p class="soft">The most urgent first. Change one thing at a time where you can: two changes at once tell '
        f'nothing about either.</p><div class="card"><ol class="steps">{items}</ol>{edits}</div></section>'
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _item(step: Step) -> str:
    now = f'<span class="tag note">now {plain(step.now)}</span>' if step.now else ""
    others = f'<p class="soft small">Otherwise: {plain("; ".join(step.others))}.</p>' if step.others else ""
    why = "; ".join(reason.rstrip(".").lower() for reason in step.reasons)
    told = f"<p>{marked(_sentence(step.advice.text))} {now}</p>"
    return f'<li>{told}<p class="soft small">For: {plain(why)}.</p>{others}</li>'


def _coloured(diff: str) -> str:
    kinds = {"+": "added", "-": "taken", "@": "soft"}
    shown = []
    for line in diff.split("\n"):
        kind = "soft" if line.startswith(("+++", "---")) else kinds.get(line[:1], "")
        shown.append(f'<span class="{kind}">{plain(line)}</span>' if kind else plain(line))
    return "\n".join(shown)
