"""YAML: values that stand in blocks."""

from __future__ import annotations

from lora_doctor.source.edit import apply, replace_value
from lora_doctor.source.read import read_text

BLOCK = b"a:\n  sizes:\n  - 1024\n  - 1024  # twice\n  next: 1\nb: 2\n"


def test_a_block_of_items_becomes_a_value_behind_its_key() -> None:
    edit = replace_value(read_text("x.yaml", BLOCK), ("a", "sizes"), 1024)
    assert edit is not None
    assert apply(BLOCK, [edit]) == b"a:\n  sizes: 1024  # twice\n  next: 1\nb: 2\n"


def test_a_negative_number_is_no_block() -> None:
    edit = replace_value(read_text("x.yaml", b"a: -5\n"), ("a",), 3)
    assert edit is not None
    assert apply(b"a: -5\n", [edit]) == b"a: 3\n"
