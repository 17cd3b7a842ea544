"""Carets stand under what they point at, whatever the line is made of."""

from __future__ import annotations

import unicodedata

import pytest

from lora_doctor.finding import Place
from lora_doctor.report.snippet import snippet
from lora_doctor.report.terminal import columns, cut, laid_out, printable
from lora_doctor.source.document import Document, Span
from lora_doctor.source.read import read_text


def shown(text: str, target: str, *, width: int = 100, name: str = "a.toml") -> list[str]:
    document = read_text(name, text.encode())
    start = text.encode().index(target.encode())
    return list(snippet(Place(document, Span(start, start + len(target.encode()))), (), "error", width, False))


def pointed_at(lines: list[str]) -> str:
    """The text above the carets, by terminal columns."""
    start = lines[-1].index("^")
    return cut(lines[-2], start, start + lines[-1].count("^"))


@pytest.mark.parametrize(
    "text, target",
    [
        ("lr = 1e-3\n", "1e-3"),
        ("\t\tlr\t=\t1e-3\t# x\n", "1e-3"),
        ("\tlr = 1e-3\n", "lr"),
        ('a = "日本語"\n', '"日本語"'),
        ('"日本" = 1e-3\n', "1e-3"),
        ('a = "e\u0301tude"  # x\n', "# x"),
        ('a = "👩‍🎨😀" # x\n', "# x"),
        ("a = 1\r\nlr = 2\r\n", "2"),
        ("a = 1\n\n\nlr = 2", "2"),
    ],
)
def test_carets_under_the_span(text: str, target: str) -> None:
    assert pointed_at(shown(text, target)).strip() == printable(target)


@pytest.mark.parametrize("before, after", [(0, 300), (300, 0), (300, 300), (150, 10), (95, 0), (60, 60)])
@pytest.mark.parametrize("filler", ["x", "語"])
@pytest.mark.parametrize("width", [60, 100])
def test_long_lines_are_cut_round_the_span(before: int, after: int, filler: str, width: int) -> None:
    text = f'a = "{filler * before} TARGET {filler * after}"\n'
    lines = shown(text, "TARGET", width=width)
    assert pointed_at(lines) == "TARGET"
    assert sum(map(columns, lines[1])) <= width
    assert ("..." in lines[1]) is (sum(map(columns, text)) - 1 > width - 4)


def test_a_long_span_is_cut_and_still_begins_where_it_does() -> None:
    lines = shown(f'{"k" * 200} = "{"v" * 500}"\n', f'"{"v" * 500}"', width=100)
    assert lines[-1].index("^") == len("1 | ...")
    assert pointed_at(lines).startswith('"vvv')
    assert len(lines[1]) <= 100


def test_a_span_that_fits_is_seen_whole() -> None:
    target = f'"{"v" * 80}"'
    lines = shown(f"{'k' * 200} = {target} # {'x' * 300}\n", target, width=100)
    assert pointed_at(lines) == target


def test_a_span_over_several_lines() -> None:
    text = "a = [\n  1,\n  2,\n]\nb = 1\n"
    assert shown(text, "[\n  1,\n  2,\n]") == [
        "  |", "1 | a = [", "  |     ^", "2 |   1,", "  |   ^^", "3 |   2,", "  |   ^^", "4 | ]", "  | ^",
    ]  # fmt: skip
    long = "a = [\n" + "  1,\n" * 20 + "]\n"
    assert shown(long, long[4:-1])[-1] == "  | ..."


def test_an_empty_span_and_one_at_the_end_of_the_file() -> None:
    document = read_text("a.toml", b"a = 1\n")
    for span in (Span(0, 0), Span(6, 6), Span(5, 5)):
        assert "^" in list(snippet(Place(document, span), (), "error", 80, False))[-1]


def test_the_gutter_is_as_wide_as_the_line_number() -> None:
    assert shown("a = 1\n" * 0 + "# x\n" * 998 + "a = 1\n", "1") == ["    |", "999 | a = 1", "    |     ^"]


def test_nothing_reaches_the_terminal_that_is_no_text() -> None:
    document = Document("a", "a = '\x1b[31m\x9b\u202e\u200b\ud800'\n".encode("utf-8", "surrogatepass"), "toml")
    for line in snippet(Place(document, Span(0, 1)), (), "error", 80, False):
        assert all(unicodedata.category(character) not in ("Cc", "Cf", "Cs") for character in line)


def test_secrets_are_starred_out_letter_for_letter() -> None:
    text = 'key = "s3cret-s3cret"  # hf_abcdefghijklmnopqrstuvwxyz\n'
    document = read_text("a.toml", text.encode())
    private = [Span(6, 21)]
    line = list(snippet(Place(document, Span(0, 3)), private, "error", 80, False))[1]
    assert line == f"1 | key = {'*' * 15}  # {'*' * 29}"


def test_tabs_spread_to_every_fourth_column() -> None:
    text, starts = laid_out("\ta\tbcd\t日\te")
    assert text == "    a   bcd 日  e"
    assert starts == [0, 4, 5, 8, 9, 10, 11, 12, 14, 16, 17]
