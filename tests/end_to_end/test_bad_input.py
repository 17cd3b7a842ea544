"""Inputs that are wrong in every way we know: one sentence each, and the file beside them is judged all the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .process import call

GOOD = b'[model]\ntype = "sdxl"\ndtype = "bfloat16"\n'
BOMB = b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (c, c, b", ".join([b"*%c" % (c - 1)] * 9)) for c in range(ord("b"), ord("k"))
)
FILES = {
    "empty.toml": (b"", "is empty"),
    "blank.yaml": (b" \n\n", "is empty"),
    "binary.toml": (b"\x89PNG\r\n\x1a\n\0\0", "is binary, not a config"),
    "utf16.json": ('{"a": 1}'.encode("utf-16"), "is UTF-16"),
    "latin1.yaml": ("name: é\n".encode("latin-1"), "is not UTF-8 (byte 0xe9)"),
    "broken.toml": (b"a = 1\nb = \n", "not valid TOML: "),
    "broken.yaml": (b"a: [1\n", "not valid YAML: "),
    "broken.json": (b'{"a": 1,}', "not valid JSON: "),
    "tabs.yaml": (b"a:\n\tb: 1\n", "not valid YAML: "),
    "bomb.yaml": (BOMB, "its aliases expand to more than 20,000 values"),
    "itself.yaml": (b"a: &a [*a]\n", "an alias contains itself"),
    "deep.json": (b"[" * 100_000, "not readable JSON: nested too deeply"),
    "deep.toml": (b"a = " + b"[" * 100_000 + b"]" * 100_000, "not readable TOML: nested too deeply"),
    "deep.yaml": (b"a: " + b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
    "deep_block.yaml": (b"".join(b" " * i + b"a:\n" for i in range(2000)), "nested too deeply"),
    "deep_items.yaml": (b"- " * 100_000, "nested too deeply"),
    "deep_key.toml": (b"a" + b".a" * 5_000 + b" = 1\n", "not readable TOML: nested too deeply"),
    "digits.json": (b'{"a": ' + b"1" * 5000 + b"}", "not readable JSON: "),
    "quote.sh": (b"python train.py --a 'b\n", "not a readable script: a quote is"),
    "list_key.yaml": (b"? [a]\n: b\n", "a key is itself a list or a mapping"),
    "two.yaml": (b"a: 1\n---\nb: 2\n", "not valid YAML: "),
    "text.txt": (b"hello\n", "is neither TOML, YAML, JSON, a shell script nor a .env file"),
    "list.json": (b"[1, 2]", "is no config of a trainer lora-doctor knows"),
    "number.yaml": (b"5\n", "is no config of a trainer lora-doctor knows"),
    "null.json": (b"null", "is no config of a trainer lora-doctor knows"),
    "keys.yaml": (b"1: a\n2.5: b\ntrue: c\n~: d\n2024-01-01: e\n", "is no config of a trainer lora-doctor knows"),
    "foreign_tag.yaml": (
        b"a: !!python/object/apply:os.system ['true']\n",
        "is no config of a trainer lora-doctor knows",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_one_sentence(name: str, tmp_path: Path) -> None:
    text, sentence = FILES[name]
    (tmp_path / name).write_bytes(text)
    (tmp_path / "good.toml").write_bytes(GOOD)
    ran = call("lint", "--format=concise", name, "good.toml", cwd=tmp_path)
    assert ran.returncode == 2
    assert "good.toml:1:2: error[never-saves]" in ran.stdout
    assert ran.stderr.count("\n") == 1, ran.stderr
    assert ran.stderr.startswith(f"{name}:")
    assert sentence in ran.stderr
    assert (tmp_path / name).read_bytes() == text


def test_duplicate_keys_are_a_problem_and_the_rest_is_judged(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(
        '{"--model_family": "sdxl",\n "--model_type": "lora",\n "--learning_rate": 1e-4,\n "--learning_rate": 1e-5}'
    )
    (tmp_path / "a.toml").write_text("[model]\ntype = 'sdxl'\n[model]\n")
    ran = call("lint", "--format=concise", "a.json", "a.toml", cwd=tmp_path)
    assert ran.returncode == 2
    assert "a.json:4:2: the key `--learning_rate` is written twice (first on line 3)" in ran.stderr
    assert "a.toml:3:" in ran.stderr


def test_100_megabytes(tmp_path: Path) -> None:
    with open(tmp_path / "big.yaml", "wb") as file:
        file.truncate(100_000_000)
    ran = call("lint", "big.yaml", cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "nothing could be checked\n")
    assert ran.stderr == "big.yaml: has 100 MB; no training config is larger than 8 MB\n"


@pytest.mark.parametrize("number", ["9" * 400, "1e999", "inf", "-inf", "nan"])
def test_numbers_nobody_means(number: str, tmp_path: Path) -> None:
    for key in ("rank", "alpha"):
        text = GOOD + f'[adapter]\ntype = "lora"\n{key} = {number}\n[optimizer]\nlr = {number}\n'.encode()
        (tmp_path / f"{key}.toml").write_bytes(text)
    ran = call("lint", "--format=concise", "rank.toml", "alpha.toml", cwd=tmp_path)
    assert ran.stdout.count("error[never-saves]") == 2
    assert "please report it" not in ran.stderr


def test_many_comments_are_no_reason_to_wait(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("".join(f"key_{i}: 1 # x\n" for i in range(15_000)))
    ran = call("lint", "a.yaml", cwd=tmp_path)
    assert ran.returncode == 2, "comparing every comment with every value took 22 seconds"


def test_configs_that_include_each_other(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b'dataset = "a.toml"\n' + GOOD)
    (tmp_path / "b.toml").write_bytes(b'dataset = "c.toml"\n' + GOOD)
    (tmp_path / "c.toml").write_bytes(b'dataset = "b.toml"\n' + GOOD)
    ran = call("lint", "--format=concise", "a.toml", "b.toml", "c.toml", cwd=tmp_path)
    assert ran.returncode == 1
    assert ran.stderr == ""
    assert ran.stdout.count("never-saves") == 3


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "loop.toml").symlink_to("loop.toml")
    (tmp_path / "gone.toml").symlink_to("nowhere.toml")
    (tmp_path / "closed.toml").write_bytes(GOOD)
    (tmp_path / "closed.toml").chmod(0)
    (tmp_path / "good.toml").write_bytes(GOOD)
    names = ["loop.toml", "gone.toml", "missing.toml", f"{'x' * 300}.toml", "good.toml/a.toml"]
    if os.geteuid():  # root reads everything
        names.append("closed.toml")
    ran = call("lint", "--format=concise", *names, "good.toml", cwd=tmp_path)
    assert ran.returncode == 2
    assert ran.stderr.count(": can't be read: ") == len(names)
    assert ran.stderr.count("\n") == len(names)
    assert "good.toml:1:2: error[never-saves]" in ran.stdout


def test_pipes_and_devices_are_no_configs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.toml")
    (tmp_path / "b.toml").symlink_to("/dev/zero")
    ran = call("lint", "a.toml", "b.toml", ".", cwd=tmp_path)
    assert ran.returncode == 2
    assert ran.stderr.splitlines() == ["a.toml: is no regular file", "b.toml: is no regular file"]


@pytest.mark.parametrize("line_break", [b"\r\n", b"\r"])
def test_line_breaks_of_other_systems(line_break: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbf" + GOOD.replace(b"\n", b"\r\n"))
    (tmp_path / "a.yaml").write_bytes(b"job: extension\nconfig: {}\n".replace(b"\n", line_break))
    ran = call("lint", "--format=concise", "a.toml", "a.yaml", cwd=tmp_path)
    assert "a.toml:1:" in ran.stdout
    assert "please report it" not in ran.stderr
