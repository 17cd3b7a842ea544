"""Which rules a lint imports: those that can speak of the trainer, the family and the record at hand."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lora_doctor.rule import OF_OTHER_FACTS, Rule, all_rules, rules_for


@pytest.mark.parametrize("fact", sorted({rule.fact for rule in all_rules()}))
def test_no_rule_is_missed(fact: str) -> None:
    """The record is read from a rule's text before the rule is imported: both must say the same."""

    def speaks(rule: Rule) -> bool:
        return rule.fact == fact and rule.speaks_of("sd-scripts", "sdxl")

    found = [rule for rule in rules_for(["sd-scripts"], ["sdxl"], fact) if speaks(rule)]
    assert found == [rule for rule in all_rules() if speaks(rule)]


def test_folders_of_other_records_are_not_imported_for_a_plan() -> None:
    code = "import sys; from lora_doctor.rule import rules_for\n"
    code += "rules_for(['ai-toolkit'], ['sdxl']); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    rules = {rule.check.__module__ for rule in all_rules() if rule.topic in OF_OTHER_FACTS and rule.fact != "Plan"}
    assert rules
    assert not rules & set(loaded)
    assert not {name for name in loaded if name.startswith(("lora_doctor.rules.kohya.", "lora_doctor.rules.klein."))}
