"""`lora-doctor trigger`: real word lists, and a real tokenizer where the package is installed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lora_doctor.captions.rarity import judge, propose
from lora_doctor.captions.triggers import invented
from lora_doctor.cli import run

WORDFREQ = "word frequencies are looked up with the data extra: pip install 'lora-doctor[data]'"


def test_an_ordinary_word_is_bad(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trigger", "woman", "--seed", "1"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("woman: bad\n")
    assert "act without being called" in out
    assert "instead: " in out


def test_sks_is_doubtful_and_never_bad(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trigger", "sks"]) == 0
    assert "the SKS rifle" in capsys.readouterr().out


@pytest.mark.parametrize(
    "word, part", [("p3rs0n", "digits"), ("Zwx", "capitals"), ("zwx_", "punctuation"), ("zwxring", "ring")]
)
def test_forms_that_cost(word: str, part: str) -> None:
    judged = judge(word)
    assert judged.verdict == "doubtful"
    assert any(part in remark.sentence for remark in judged.remarks)


def test_frequency_in_several_languages() -> None:
    pytest.importorskip("wordfreq", reason=WORDFREQ)
    assert judge("window").verdict == "bad"
    assert judge("fiets").verdict == "doubtful"  # Dutch for bicycle
    assert judge("zwx").verdict == "good"
    assert any("no word in" in remark.sentence for remark in judge("zwx").remarks)


def test_proposals_pass_their_own_examination(capsys: pytest.CaptureFixture[str]) -> None:
    words = propose(5, seed=7)
    assert len(words) == 5
    assert words == propose(5, seed=7)
    assert words != propose(5, seed=8)
    assert all(invented(word) and judge(word).verdict == "good" for word in words)
    assert run(["trigger", "--seed", "7", "--json"]) == 0
    assert [each["word"] for each in json.loads(capsys.readouterr().out)] == words


def test_tokens_are_counted_with_the_models_tokenizer(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers", reason="tokens are counted where `tokenizers` is installed")
    model = tokenizers.models.BPE({"a": 0, "z": 1, "w": 2, "x": 3, "Ġ": 4, "zw": 5}, [("z", "w")])
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    (tmp_path / "tokenizer").mkdir()
    tokenizer.save(str(tmp_path / "tokenizer" / "tokenizer.json"))
    sentences = [remark.sentence for remark in judge("zwx", tmp_path).remarks]
    counted = next(sentence for sentence in sentences if sentence.startswith("3 tokens in tokenizer: "))
    assert "2 where it stands first" in counted


def test_an_empty_word_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trigger", " "]) == 2
    assert "empty" in capsys.readouterr().err
