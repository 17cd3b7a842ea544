"""TOML: what stands where, and what the parsers of the trainers accept beyond TOML 1.0."""

from __future__ import annotations

import pytest

from lora_doctor.source.document import SourceError
from lora_doctor.source.edit import delete_pair, insert_pair, replace_value
from lora_doctor.source.read import read_text

SPREAD = b"""\
[model]
text_encoders = [
    {
        path = '/x/{y}#z',  # a comment with }
        type = "fl}ux2",
    },
    {paths = ['p',
              'q'], type = 'flux2'},
]
"""


def test_inline_tables_over_several_lines() -> None:
    document = read_text("x.toml", SPREAD)
    encoders = [{"path": "/x/{y}#z", "type": "fl}ux2"}, {"paths": ["p", "q"], "type": "flux2"}]
    assert document.data == {"model": {"text_encoders": encoders}}
    entry = document.entries[("model", "text_encoders", 0, "type")]
    assert document.text[entry.span.start : entry.span.end] == b'"fl}ux2"'
    assert document.position(entry.span.start).line == 5


def test_fixes_mind_the_commas_of_inline_tables() -> None:
    document = read_text("x.toml", SPREAD)
    place = ("model", "text_encoders", 0)
    assert replace_value(document, (*place, "type"), "flux2") is not None
    assert delete_pair(document, (*place, "type")) is None
    assert insert_pair(document, (*place, "dtype"), "x") is None


@pytest.mark.parametrize(
    "text, line",
    [
        (b"a = 1\nb == 2\n", 2),
        (b"t = {\n  a = 1,\n  b = 2\n}\n\nc == 3\n", 6),
        (b"t = {\n  a = 1,,\n}\n", 1),
        (b"a = [1,\n", 2),
        (b"[t\na = 1\n", 1),
    ],
)
def test_broken_files_are_refused_at_their_line(text: bytes, line: int) -> None:
    with pytest.raises(SourceError) as error:
        read_text("x.toml", text)
    assert error.value.line == line


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(SourceError):
        read_text("x.toml", b"a = " + b"[" * 5000 + b"]" * 5000)
