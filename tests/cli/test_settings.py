"""`[tool.lora-doctor]` and lora-doctor.toml: where they are looked for, and what they can say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .configs import FINE, FULL, MISSPELT, NEVER_SAVES, NO_CHECKPOINTS
from .conftest import Call

OURS = {"never-saves", "misspelt-key", "no-checkpoints", "full-fine-tune", "v-prediction-mismatch"}


def put(path: str, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")


def rules(call: Call, *args: str) -> set[tuple[str, str]]:
    """File and rule of every finding of a rule these tests are about."""
    findings = json.loads(call("lint", "--format=json", *args).out)["findings"]
    return {(f["file"], f["rule"]) for f in findings if f["rule"] in OURS}


def test_the_nearest_settings_hold_for_each_file(call: Call) -> None:
    put("pyproject.toml", '[tool.lora-doctor]\nselect = ["never-saves"]\n')
    put("b/lora-doctor.toml", 'select = ["misspelt-key"]\n')
    put("b/c/pyproject.toml", "[tool.other]\n")
    both = MISSPELT.replace("save_every_n_epochs = 1\n", "")
    for name in ("a.toml", "b/b.toml", "b/c/c.toml"):
        put(name, both)
    assert rules(call, "a.toml", "b/b.toml", "b/c/c.toml") == {
        ("a.toml", "never-saves"),
        ("b/b.toml", "misspelt-key"),
        ("b/c/c.toml", "misspelt-key"),
    }
    assert rules(call, "--isolated", "--select=never-saves", "b/b.toml") == {("b/b.toml", "never-saves")}
    assert rules(call, "--config=pyproject.toml", "b/b.toml") == {("b/b.toml", "never-saves")}
    assert rules(call, "--select=misspelt-key", "a.toml") == {("a.toml", "misspelt-key")}, "the command line wins"


def test_ignore_adds_up_and_selecting_by_hand_overrules_it(call: Call) -> None:
    put("lora-doctor.toml", 'ignore = ["never-saves"]\n')
    put("a.toml", MISSPELT.replace("save_every_n_epochs = 1\n", ""))
    assert rules(call, "a.toml") == {("a.toml", "misspelt-key")}
    assert rules(call, "--ignore=misspelt-key", "a.toml") == set()
    assert rules(call, "--select=never-saves", "a.toml") == {("a.toml", "never-saves")}


def test_per_path_ignores_and_ignore_keys(call: Call) -> None:
    put(
        "lora-doctor.toml",
        '[per-path-ignores]\n"old/**" = ["error"]\n[ignore-keys]\n"*.toml" = ["warmup_stepz: misspelt-key"]\n',
    )
    put("old/a.toml", NEVER_SAVES)
    put("b.toml", MISSPELT)
    put("c.toml", MISSPELT.replace("warmup_stepz", "eval_every_n_epochz"))
    assert rules(call, "old/a.toml", "b.toml", "c.toml") == {("c.toml", "misspelt-key")}


def test_ignores_hold_for_the_file_a_finding_stands_in(call: Call) -> None:
    put("lora-doctor.toml", '[per-path-ignores]\n"/sets/" = ["misspelt-key"]\n')
    put("sets/dataset.toml", 'resolutions = [1024]\nenable_ar_bucketz = true\n[[directory]]\npath = "images"\n')
    put("a.toml", FINE.replace("dataset.toml", "sets/dataset.toml"))
    assert rules(call, "a.toml") == set()
    assert rules(call, "--isolated", "a.toml") == {("sets/dataset.toml", "misspelt-key")}


def test_excluded_files_are_not_walked(call: Call) -> None:
    put("lora-doctor.toml", 'exclude = ["attic", "*.old.toml"]\nselect = ["never-saves"]\n')
    for name in ("attic/a.toml", "b.old.toml", "c.toml"):
        put(name, NEVER_SAVES)
    assert rules(call, ".") == {("c.toml", "never-saves")}
    assert rules(call, "b.old.toml") == {("b.old.toml", "never-saves")}, "somebody named it"
    assert rules(call, "--skip-unrecognised", "b.old.toml", "attic/a.toml") == set(), "the hook passes everything"


def test_trainer_and_versions(call: Call) -> None:
    from lora_doctor.rule import Rule, all_rules

    put("lora-doctor.toml", 'trainer = "DIFFUSION-PIPE"\n[versions]\ndiffusion-pipe = "2025-01-01"\n')
    put("a.toml", "epochs = 1\n")
    assert ("a.toml", "never-saves") in rules(call, "a.toml")
    rule: Rule = all_rules()[0]._replace(since="2024-12-10", until="1.2.0")
    assert [rule._replace(since="").holds(version) for version in ("1.1.9", "v1.2", "1.2.0", "")] == [
        True,
        True,
        False,
        True,
    ]
    assert [rule._replace(until="").holds(version) for version in ("2024-12-09", "2024-12-10")] == [False, True]


def test_a_recipe_is_held_against_the_config(call: Call) -> None:
    klein = FINE.replace('type = "sdxl"\ncheckpoint_path', 'type = "flux2"\ndiffusion_model')
    klein = klein.replace("stabilityai/stable-diffusion-xl-base-1.0", "FLUX.2-klein-base-9B").replace("1e-4", "3e-4")
    put("a.toml", klein)
    put("lora-doctor.toml", 'recipe = "klein-fifty-runs"\n')
    with_recipe = json.loads(call("lint", "--format=json", "a.toml").out)["findings"]
    without = json.loads(call("lint", "--format=json", "--isolated", "a.toml").out)["findings"]
    assert {f["rule"] for f in with_recipe} - {f["rule"] for f in without}


def test_baseline_in_the_settings(call: Call) -> None:
    put("lora-doctor.toml", 'baseline = "known.json"\nselect = ["never-saves"]\n')
    put("a.toml", NEVER_SAVES)
    assert (
        call("lint", "a.toml").err
        == f"lora-doctor: {Path.cwd()}/known.json: there is no baseline; write one with --write-baseline\n"
    )
    assert call("lint", "--write-baseline", "a.toml").code == 0
    assert call("lint", "a.toml").code == 0
    assert call("lint", "--isolated", "--select=never-saves", "a.toml").code == 1


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("selekt = []", "`selekt` is no setting; did you mean `select`?"),
        ('select = "x"', "`select`: wants a list of strings"),
        ('select = ["neversaves"]', "`select`: `neversaves` is no rule, topic or level; did you mean `never-saves`?"),
        ('trainer = "khoya"', "`trainer`: `khoya` is no trainer lora-doctor knows ("),
        ('[ignore-keys]\n"a.json" = ["lr"]', '`ignore-keys`: `lr` wants the form "key: rule"'),
        ('recipe = "klien"', "`recipe`: `klien` is no recipe lora-doctor knows ("),
        ("[versions]\ndiffusion-pipe = 1", "`versions`: wants a string"),
        ("exclude = [", "not valid TOML: "),
    ],
)
def test_what_is_no_setting_is_one_sentence(call: Call, text: str, sentence: str) -> None:
    put("lora-doctor.toml", text + "\n")
    put("a.toml", FINE)
    ran = call("lint", "a.toml")
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert ran.err.startswith(f"lora-doctor: {Path.cwd()}/lora-doctor.toml: {sentence}")
    assert call("lint", "--isolated", "--select=never-saves", "a.toml").code == 0


def test_notes_and_warnings_of_others_do_not_matter(call: Call) -> None:
    put("lora-doctor.toml", 'select = ["full-fine-tune", "no-checkpoints"]\nignore = ["warning"]\n')
    put("a.toml", FULL)
    put("b.toml", NO_CHECKPOINTS)
    assert rules(call, "a.toml", "b.toml") == {("b.toml", "no-checkpoints")}


def test_a_pyproject_of_somebody_else_is_left_alone(call: Call) -> None:
    put("pyproject.toml", "[tool.black\n")
    put("a.toml", NEVER_SAVES)
    assert rules(call, "--select=never-saves", "a.toml") == {("a.toml", "never-saves")}
    assert (
        call("lint", "--config=pyproject.toml", "a.toml").err
        == "lora-doctor: pyproject.toml has no [tool.lora-doctor] table\n"
    )
