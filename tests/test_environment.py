"""The machine a run would start on."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from lora_doctor.environment import GIB, described, numbers, probe
from lora_doctor.lint import lint_file
from lora_doctor.plan import Plan
from lora_doctor.setting import Config, KeyTable
from lora_doctor.source.read import read_text


@pytest.fixture
def plan() -> Plan:
    return Plan("diffusion-pipe", "training", Config(read_text("x.toml", b"a = 1"), KeyTable("", "", "", "", {})))


@pytest.mark.parametrize(
    "version, expected",
    [("2.7.1+cu128", (2, 7, 1)), ("0.50", (0, 50)), ("3.12.0rc1", (3, 12, 0)), ("1.0.dev3", (1, 0)), ("", ())],
)
def test_numbers(version: str, expected: tuple[int, ...]) -> None:
    assert numbers(version) == expected


def test_described(plan: Plan) -> None:
    text = "system: windows\nmemory: 16GB\ntoken: no\ntorch: 2.6.0+cu124\npython: 3.11\n"
    text += "gpu: NVIDIA GeForce RTX 5090, 32607, 12.0\ngpu: Tesla T4, 15360, [N/A]\n"
    environment = described(text, plan)
    assert (environment.system, environment.wsl, environment.token) == ("windows", False, False)
    assert environment.memory == 16 * GIB
    assert environment.python == (3, 11)
    assert environment.version("torch") == (2, 6, 0)
    assert environment.version("bitsandbytes") is None
    assert environment.gpus is not None
    assert [(gpu.name, gpu.capability) for gpu in environment.gpus] == [
        ("NVIDIA GeForce RTX 5090", (12, 0)),
        ("Tesla T4", None),
    ]


def test_probe_tells_what_is_here(plan: Plan) -> None:
    environment = probe(plan)
    assert environment.plan is plan
    assert environment.python == sys.version_info[:2]
    assert environment.memory is None or environment.memory > GIB // 4
    assert environment.system in ("linux", "windows", "darwin")


def test_token_is_seen_and_not_read(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert probe(plan).token is False
    (tmp_path / "token").write_text("hf_secret")
    os.chmod(tmp_path / "token", 0)
    assert probe(plan).token is True
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert "hf_secret" not in repr(probe(plan)._replace(plan=plan))


def test_judged_only_when_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    path = tmp_path / "config.toml"
    model = '[model]\npath = "black-forest-labs/FLUX.2-klein-base-9B"\n'
    path.write_text('output = "out"\n' + model + '[[dataset]]\nfolder = "a"\n')
    assert "gated-model-without-token" not in {each.rule.id for each in lint_file(path).found}
    assert "gated-model-without-token" in {each.rule.id for each in lint_file(path, environment=True).found}
