"""Rules may rely on the types of a plan's fields, whatever was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from lora_doctor.dialects import recognise
from lora_doctor.dialects.reader import Reader
from lora_doctor.lint import lint_file
from lora_doctor.plan import Plan
from lora_doctor.source.read import read_text
from lora_doctor.typed import typed

FIXTURES = Path(__file__).parent.parent / "fixtures" / "configs" / "diffusion-pipe"
STRANGE = ['"text"', "0", "-1", "1.5", "true", "[]", '["a"]', "[[1, 2]]", "{}", "{a = 1}", "1979-05-27", "inf", "nan"]


def plan_of(text: str) -> Plan:
    document = read_text("config.toml", text.encode())
    recognised = recognise(document, "diffusion-pipe")
    assert recognised is not None
    return typed(recognised[0].read(document, recognised[1], Reader())[0])


def test_values_of_another_type_are_unknown() -> None:
    model = '[model]\ntype = "flux2"\ndtype = "bfloat16"\n'
    plan = plan_of('epochs = "ten"\nmax_steps = 100\n' + model + "[adapter]\nrank = []\n")
    assert (plan.epochs.value, plan.epochs.origin) == (None, "unknown")
    assert (plan.steps.value, plan.steps.origin) == (100, "written")
    assert plan.network.rank.value is None
    assert plan.network.rank.place is not None


def test_whole_numbers_may_be_written_as_floats() -> None:
    plan = plan_of('max_steps = 100.0\n[model]\ntype = "flux2"\ndtype = "bfloat16"\n')
    assert plan.steps.value == 100


@pytest.mark.parametrize("value", STRANGE)
@pytest.mark.parametrize("name", ["klein_9b.toml", "late_crashes.toml", "sdxl.toml", "limits_in_directory.toml"])
def test_no_value_makes_a_rule_fail(name: str, value: str, tmp_path: Path) -> None:
    """Each key in turn gets a value its trainer does not expect."""
    lines = [line for line in (FIXTURES / name).read_text().splitlines() if not line.startswith((" ", "]", "text_"))]
    for i, line in enumerate(lines):
        key, equals, _ = line.partition(" = ")
        if equals:
            path = tmp_path / name
            path.write_text("\n".join([*lines[:i], f"{key} = {value}", *lines[i + 1 :]]))
            problems = [problem.sentence for problem in lint_file(path, environment=True).problems]
            assert not [sentence for sentence in problems if "please report it" in sentence], key
