"""Command lines as argparse reads them, compared with a real parser built from the key tables."""

from __future__ import annotations

import argparse
import shlex
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lora_doctor.dialects.argv import command_config
from lora_doctor.setting import Config, Key, KeyTable, is_of_type, key_table, key_tables
from lora_doctor.source.edit import apply
from lora_doctor.source.shell import parse_shell


def read(text: str, table: KeyTable, name: str = "train.sh") -> Config:
    """The settings of the first command, read with a table."""
    document = parse_shell(name, text.encode())
    command = document.commands[0]
    script = next(i for i, word in enumerate(command.words) if word.text.endswith(".py"))
    return command_config(document, command, command.words[script + 1 :], table)


def small(**keys: Key) -> KeyTable:
    """A table of a few options."""
    return KeyTable("diffusers", "main", "", "x.py", keys)


SMALL = small(
    rank=Key("int", 4),
    resolution=Key("int", 512),
    revision=Key("str"),
    seed=Key("int"),
    lr=Key("float", 1e-4),
    offload=Key("bool", False),
    layers=Key("list[int]"),
    prompt=Key("str"),
)


def test_values_have_the_types_of_the_table() -> None:
    config = read('python x.py --rank=16 --lr 1e-5 --offload --layers 9 18 27 --prompt "a b" --seed -1', SMALL)
    values = {key: setting.value for key, setting in config.written()}
    assert values == {"rank": 16, "lr": 1e-5, "offload": True, "layers": [9, 18, 27], "prompt": "a b", "seed": -1}
    assert config.refused == []


def test_the_last_of_two_wins_and_the_first_is_kept() -> None:
    config = read("python x.py --rank 16 --seed 1 --rank 32", SMALL)
    assert config.get("rank").value == 32
    assert [setting.value for setting in config.repeated] == [16]


def test_unambiguous_beginnings_are_completed() -> None:
    config = read("python x.py --ran 16 --reso=64 --re 3", SMALL)
    assert config.get("rank").value == 16
    assert config.get("resolution").value == 64
    assert [(refusal.setting.value, refusal.why) for refusal in config.refused] == [("--re", "ambiguous")]


@pytest.mark.parametrize(
    ("line", "word", "why"),
    [
        ("--offload true --rank 4", "true", "extra"),
        ("--offload=true", "--offload=true", "takes no value"),
        ("--rank", "--rank", "needs a value"),
        ("--rank --seed 3", "--rank", "needs a value"),
        ("--prompt a photo", "photo", "extra"),
        ("stray --rank 4", "stray", "extra"),
        ("--layers 9 x 27", "x", "no number"),
        ("--rank 4 -- --seed 3", "--", "extra"),
    ],
)
def test_what_argparse_refuses(line: str, word: str, why: str) -> None:
    config = read(f"python x.py {line}", SMALL)
    first = config.refused[0]
    assert (first.setting.value, first.why) == (word, why)
    assert first.setting.place is not None
    start, end = first.setting.place.span
    assert first.setting.place.document.text[start:end].decode() == word


def test_values_of_an_unknown_option_are_not_reported_twice() -> None:
    config = read("python x.py --blocks 3 4 --rank 4", SMALL)
    assert config.refused == []
    assert "blocks" in config.settings


def test_options_that_cannot_be_read_leave_the_rest_unknown() -> None:
    config = read("python x.py --offload $EXTRA --rank 8", SMALL)
    assert config.open
    assert config.get("rank").value == 8
    assert (config.get("lr").value, config.get("lr").origin) == (None, "unknown")
    assert config.refused == []


def test_an_unknown_value_is_unknown_and_nothing_else_is() -> None:
    config = read("python x.py --rank=$RANK --seed $SEED --lr 1e-5", SMALL)
    assert not config.open
    assert (config.get("rank").value, config.get("rank").origin) == (None, "unknown")
    assert config.get("seed").value is None
    assert config.get("lr").value == 1e-5
    assert config.get("resolution").value == 512


SCRIPT = "accelerate launch x.py \\\n  --rank=4 \\\n  --offload \\\n  --layers 10 20 \\\n  --prompt='a b'\n"


def edited(config: Config, edit: Any) -> str:
    """The script after one edit."""
    assert edit is not None
    return apply(config.document.text, [edit]).decode()


def test_fixes_keep_the_continuations_whole() -> None:
    config = read(SCRIPT, SMALL)
    get = config.get
    assert edited(config, get("rank").write(16).edits[0]) == SCRIPT.replace("--rank=4", "--rank=16")  # type: ignore[union-attr]
    assert edited(config, get("layers").rewrite((9, 18, 27))) == SCRIPT.replace("10 20", "9 18 27")  # type: ignore[misc]
    assert edited(config, get("prompt").rewrite("it's")) == SCRIPT.replace("'a b'", "'it'\\''s'")  # type: ignore[misc]
    assert edited(config, get("offload").erase()) == SCRIPT.replace("  --offload \\\n", "")  # type: ignore[misc]
    assert edited(config, get("prompt").erase()) == SCRIPT.replace(" \\\n  --prompt='a b'", "")  # type: ignore[misc]
    assert edited(config, get("lr").rewrite(1e-5)) == SCRIPT.replace("b'\n", "b' \\\n  --lr 1e-05\n")  # type: ignore[misc]
    assert edited(config, get("rank").rename("seed")) == SCRIPT.replace("--rank", "--seed")  # type: ignore[misc]


def test_fixes_speak_the_language_of_the_script() -> None:
    batch = read("accelerate launch x.py ^\r\n  --rank 4\r\n", SMALL, "train.bat")
    assert edited(batch, batch.get("prompt").rewrite("a b")) == (  # type: ignore[misc]
        'accelerate launch x.py ^\r\n  --rank 4 ^\r\n  --prompt "a b"\r\n'
    )
    power = read("accelerate launch x.py `\n  --rank 4\n", SMALL, "train.ps1")
    assert edited(power, power.get("seed").rewrite(7)) == "accelerate launch x.py `\n  --rank 4 `\n  --seed 7\n"  # type: ignore[misc]


def test_a_fix_never_edits_a_variable() -> None:
    config = read("R=4\npython x.py --rank=$R --lr $L", SMALL)
    assert config.get("rank").value == 4
    assert config.get("rank").rewrite(16) is None  # type: ignore[misc]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def _parser(table: KeyTable) -> argparse.ArgumentParser:
    """argparse as the script builds it; required options are left to another rule."""
    parser = _Parser(add_help=False)
    for name, key in table.keys.items():
        if key.type == "bool":
            parser.add_argument(f"--{name}", action="store_true", default=None)
            continue
        convert = {"int": int, "float": float, "bool|str": str}.get(key.type.removeprefix("list[").rstrip("]"), str)
        several = {"nargs": "*"} if key.type.startswith("list") else {}
        parser.add_argument(f"--{name}", type=convert, default=None, **several)  # type: ignore[arg-type]
    return parser


@st.composite
def _lines(draw: st.DrawFn) -> tuple[str, list[str]]:
    table = key_table("diffusers", script := draw(st.sampled_from(key_tables("diffusers"))))
    names = draw(st.lists(st.sampled_from(sorted(table.keys)), max_size=5))
    words: list[str] = []
    for name in names:
        cut = draw(st.integers(3, max(3, len(name)))) if draw(st.booleans()) else len(name)
        value = draw(st.sampled_from(["4", "-1", "-0.5", "1e-4", "a photo", "x", "-x", "-1e-4", "", "9 8", "-a b"]))
        form = draw(st.sampled_from(["both", "both", "both", "equals", "bare", "two"]))
        words += {
            "both": [f"--{name[:cut]}", value],
            "equals": [f"--{name[:cut]}={value}"],
            "bare": [f"--{name[:cut]}"],
            "two": [f"--{name[:cut]}", value, "7"],
        }[form]
    return script, words


def _parsed(table: KeyTable, words: list[str]) -> dict[str, Any] | None:
    try:
        return vars(_parser(table).parse_args(words))
    except ValueError:
        return None


@settings(max_examples=500, deadline=None)
@given(_lines())
def test_agrees_with_argparse(case: tuple[str, list[str]]) -> None:
    table, words = key_table("diffusers", case[0]), case[1]
    config = read("python x.py " + shlex.join(words), table)
    unknown = [key for key in config.settings if table.find(key) is None]
    wrong = [
        setting.key
        for setting in (*config.settings.values(), *config.repeated)
        if (known := table.find(setting.key.removeprefix("--"))) and not is_of_type(setting.value, known.type)
    ]
    expected = _parsed(table, words)
    assert bool(config.refused or unknown or wrong) == (expected is None)
    if expected is None:
        return
    assert {key: setting.value for key, setting in config.written()} == {
        key: value for key, value in expected.items() if value is not None
    }
