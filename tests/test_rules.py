"""Every fence of every rule: `flagged` fires exactly this rule, `clean` does not, a fix silences what it claims to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lora_doctor.adapter.example import judge_example, reads_weights
from lora_doctor.captions.read import read_captions
from lora_doctor.dataset.arrays import missing, need
from lora_doctor.dataset.exam import exam
from lora_doctor.dataset.given import given_plan, options_of
from lora_doctor.dialects import recognise
from lora_doctor.dialects.reader import Reader
from lora_doctor.environment import described
from lora_doctor.examples import Example, examples, lay_out
from lora_doctor.judge import judge
from lora_doctor.lint import Found, captioned, lint_file
from lora_doctor.plan import Plan
from lora_doctor.rule import Rule, all_rules
from lora_doctor.source.edit import apply, changed_keys
from lora_doctor.source.read import read_file

RULES = {rule.id: rule for rule in all_rules()}
EVERY = [(rule, i, example) for rule in RULES.values() for i, example in enumerate(examples(rule))]
CASES = [case for case in EVERY if case[2].syntax != "run"]
RUNS = [case for case in EVERY if case[2].syntax == "run"]


def _found(path: Path, rule: Rule, example: Example) -> list[Found]:
    if example.environment:
        return _found_on(path, rule, example)
    if example.syntax == "dataset":
        return _found_in_images(path, rule, example)
    if example.syntax == "adapter":
        return _found_in_adapter(path, rule, example)
    result = lint_file(path)
    assert not result.problems, result.problems
    assert result.files, f"not recognised as {example.trainer}"
    assert result.files[0].trainer == example.trainer
    return [found for found in result.found if found.rule.id == rule.id]


def _found_on(path: Path, rule: Rule, example: Example) -> list[Found]:
    """The same on the machine the example describes, not on this one."""
    document = read_file(path)
    recognised = recognise(document, example.trainer)
    assert recognised, f"not recognised as {example.trainer}"
    plans = recognised[0].read(document, recognised[1], Reader())
    facts = [(plan, described(example.environment, plan)) for plan in plans]
    found, problems = judge(facts, document.name)
    assert not problems, problems
    return [each for each in found if each.rule.id == rule.id]


def _found_in_adapter(path: Path, rule: Rule, example: Example) -> list[Found]:
    """The same in a LoRA file, and in the checkpoints beside it."""
    if reads_weights(example.text):
        pytest.importorskip("ml_dtypes", reason="weights are read with the data extra: pip install 'lora-doctor[data]'")
    found = judge_example(example.text, sorted(path.parent.glob("config*.safetensors")))
    return [each for each in found if each.rule.id == rule.id]


def _found_in_images(path: Path, rule: Rule, example: Example) -> list[Found]:
    """The same in a folder of images."""
    need()
    words = dict(word.partition("=")[::2] for word in example.trainer.split())
    path = path / words.pop("folder", "")
    plan = given_plan(path, options_of(words))
    facts: list[tuple[Plan, Any]] = [(plan, captions) for captions in read_captions(plan)]
    facts += [(plan, images) for images in exam(plan, workers=1, cache=path / ".cache.sqlite")]
    facts = captioned(facts)
    found, problems = judge(facts, str(path))
    assert not problems, problems
    return [each for each in found if each.rule.id == rule.id]


@pytest.mark.parametrize("rule, number, example", CASES, ids=[f"{r.id}-{i}" for r, i, _ in CASES])
def test_example(
    rule: Rule, number: int, example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))
    if example.syntax == "dataset" and missing():
        pytest.skip(f"{', '.join(missing())} not installed")
    path = lay_out(example, tmp_path)
    found = _found(Path(path.name) if path.parent == tmp_path else path.relative_to(tmp_path), rule, example)
    assert bool(found) == example.flagged, [f.finding.sentence for f in found]
    for each in found:
        _check_sentence(each)
        _check_fix(each, rule, example, tmp_path)


@pytest.mark.parametrize("rule, number, example", RUNS, ids=[f"{r.id}-{i}" for r, i, _ in RUNS])
def test_run_example(rule: Rule, number: int, example: Example, tmp_path: Path) -> None:
    """One verdict for each run; `flagged` ones have the symptom, and say what to do about it."""
    from lora_doctor.symptoms.example import course_of
    from lora_doctor.symptoms.judge import judge as judge_run

    if missing():
        pytest.skip(f"{', '.join(missing())} not installed")
    diagnosed, problems = judge_run(course_of(example.text, tmp_path))
    assert not problems, problems
    (verdict,) = [each.verdict for each in diagnosed if each.rule.id == rule.id]
    assert verdict.present == example.flagged, verdict
    assert verdict.state == "absent" or example.flagged, "a clean example rules the symptom out"
    for sentence in (verdict.message, *(advice.text for advice in verdict.advice)):
        _check_text(sentence)
    if example.flagged:
        assert verdict.advice
        assert verdict.evidence
        others = {each.rule.id for each in diagnosed if each.verdict.present and each.rule.level == "error"}
        assert others <= {rule.id}, "another rule takes this for its own symptom"


def _check_sentence(found: Found) -> None:
    _check_text(found.finding.sentence)


def _check_text(sentence: str) -> None:
    assert sentence
    assert not sentence.endswith("."), sentence
    assert "\n" not in sentence
    assert len(sentence) < 400, sentence


def _check_fix(found: Found, rule: Rule, example: Example, folder: Path) -> None:
    """An offered fix parses, changes at most the keys it names, and silences its own finding."""
    fix = found.finding.fix
    if fix is None:
        return
    before = fix.document
    after = apply(before.text, list(fix.edits))
    changed = changed_keys(before, after)
    assert changed, "the fix changes nothing"
    assert len(changed) <= 2 * len(fix.edits) or before.syntax == "shell", changed
    (folder / before.name).write_bytes(after)
    again = _found(Path(example.name), rule, example)
    assert found.finding.key not in [f.finding.key for f in again if f.finding.place.span == found.finding.place.span]
    (folder / before.name).write_bytes(before.text)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_documented(rule: Rule) -> None:
    doc = rule.check.__doc__ or ""
    for heading in ("Why: ", "Instead: ", "Sources: "):
        assert heading in doc, f"{rule.id}: no {heading}"
    kinds = {example.flagged for example in examples(rule)}
    assert kinds == {True, False}, f"{rule.id} needs an example that fires and one that does not"
    assert len(rule.title) < 90


def test_ids_are_unique() -> None:
    assert len(RULES) == len(all_rules())
