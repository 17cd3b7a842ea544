"""`[stage.NAME]` tables: one plan each, with what the stage says in place of what the file says."""

from __future__ import annotations

from pathlib import Path

from lora_doctor.adapter.sample import Sample, write_sample
from lora_doctor.dialects import native, recognise
from lora_doctor.dialects.native_schema import json_schema
from lora_doctor.dialects.reader import Reader
from lora_doctor.lint import lint_file
from lora_doctor.plan import Plan
from lora_doctor.source.read import read_text
from lora_doctor.translate import translate

TEXT = """\
output = "run"
model = {path = "models/klein"}
[adapter]
rank = 8
[optimizer]
learning_rate = 1e-4
[[data]]
folder = "houses"
[[data]]
folder = "gardens"
[stage.domain.training]
steps = 2000
[stage.task]
build = "stack"
purpose = "edit"
[stage.task.adapter]
rank = 4
[stage.task.training]
steps = 500
[[stage.task.data]]
folder = "after"
control = "before"
[stage.last]
on = "domain"
output = "elsewhere"
training = {steps = 1}
"""


def plans(text: str) -> tuple[Plan, ...]:
    document = read_text("run.toml", text.encode())
    assert recognise(document) == (native, "training")
    return native.read(document, "training", Reader())


def test_every_stage_is_a_plan() -> None:
    domain, task, last = plans(TEXT)
    assert [plan.stage.name for plan in (domain, task, last) if plan.stage] == ["domain", "task", "last"]
    assert [plan.steps.value for plan in (domain, task, last)] == [2000, 500, 1]
    assert [plan.network.rank.value for plan in (domain, task, last)] == [8, 4, 8]
    assert task.network.rank.key == "stage.task.adapter.rank"
    assert task.learning_rate.key == "optimizer.learning_rate"
    assert [data.folder.value for data in domain.datasets] == ["houses", "gardens"]
    assert [(data.folder.value, data.control.value) for data in task.datasets] == [("after", "before")]
    assert (domain.purpose.value, task.purpose.value) == (None, "edit")


def test_folders_and_what_is_built_on() -> None:
    stages = [plan.stage for plan in plans(TEXT)]
    assert [stage.folder.value for stage in stages if stage] == ["run/domain", "run/task", "elsewhere"]
    assert [stage.build.value for stage in stages if stage] == ["fresh", "stack", "continue"]
    assert [stage.on.value for stage in stages if stage] == [None, None, "domain"]
    before = [[earlier.name for earlier in stage.before] for stage in stages if stage]
    assert before == [[], ["domain"], ["domain", "task"]]


def test_without_stages_there_is_one_plan() -> None:
    (plan,) = plans(TEXT.partition("[stage")[0])
    assert plan.stage is None


def test_wrong_keys_are_found_where_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(TEXT.replace("rank = 4", "rankk = 4").replace('build = "stack"', 'build = "stock"'))
    found = {(each.rule.id, each.finding.key) for each in lint_file(path).found}
    assert ("misspelt-key", "stage.task.adapter.rankk") in found
    assert ("value-not-accepted", "stage.task.build") in found
    path.write_text("[stage]\nbuild = 'stack'\n" + TEXT)
    assert not any(each.finding.key == "stage.build" for each in lint_file(path).found if each.rule.level == "note")


def test_the_schema_knows_stages() -> None:
    inner = json_schema()["properties"]["stage"]["additionalProperties"]
    assert inner["properties"]["build"]["enum"] == ["fresh", "continue", "stack", "merge"]
    assert inner["properties"]["training"]["properties"]["steps"]["type"] == "integer"
    assert "required" not in inner
    assert "output" in json_schema()["required"]


def test_loras_beneath_are_judged_too(tmp_path: Path) -> None:
    """A LoRA of another model is an error before anything is loaded, at the list that names it."""
    write_sample(tmp_path / "nine.safetensors", Sample("flux2-klein-9b", targets="single_transformer_blocks.0"))
    path = tmp_path / "run.toml"
    path.write_text(
        'output = "run"\n[model]\npath = "klein"\nfamily = "flux2-klein-4b"\n'
        '[adapter]\nstack_on = ["nine.safetensors"]\n[[data]]\nfolder = "x"\n'
    )
    (found,) = [each for each in lint_file(path).found if each.rule.id == "made-for-another-model"]
    assert found.finding.key == "adapter.stack_on"


def test_what_other_trainers_have_not_is_told(tmp_path: Path) -> None:
    (plan,) = plans(
        'output = "run"\nmodel = {path = "klein", family = "flux2-klein-4b"}\ndata = [{folder = "x"}]\n'
        'training = {steps = 9}\nadapter = {merge = "a.safetensors", stack_on = ["b.safetensors"]}\n'
        "growth = {resolution = [512], steps = [4]}\n"
    )
    assert [setting.value for setting in plan.network.beneath] == ["a.safetensors", "b.safetensors"]
    lost = {each.field for each in translate(plan, "ai-toolkit", tmp_path, "a").lost}
    assert {"network.merged", "network.stacked", "growth"} <= lost
    kept = translate(plan, "lora-doctor", tmp_path, "b")
    assert not {"network.merged", "network.stacked", "growth"} & kept.told
    assert kept.plan.get("growth.steps").value == [4]
