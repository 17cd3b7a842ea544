"""A plan whose values are what their fields say, so that a rule need not ask: the rest is unknown.

`epochs = "ten"` is for the rule about types to tell; to every other rule the number of epochs is not known.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from lora_doctor.setting import Setting

Record = TypeVar("Record", bound=tuple[Any, ...])


def typed(record: Record) -> Record:
    """A plan with every value of another type than its field's made unknown, in its parts and datasets too."""
    changes: dict[str, Any] = {}
    for field, kind in _fields(type(record)).items():
        value = getattr(record, field)
        if isinstance(value, Setting):
            if value.value is not None and not _is(value.value, kind):
                changes[field] = value._replace(value=None, origin="unknown")
        elif isinstance(value, tuple) and hasattr(value, "_fields"):
            changes[field] = typed(value)
        elif isinstance(value, tuple) and value and hasattr(value[0], "_fields"):
            changes[field] = tuple(typed(each) for each in value)
    return record._replace(**changes) if changes else record  # type: ignore[attr-defined]


@cache
def _fields(kind: type) -> dict[str, Any]:
    """What each setting of a record holds; other fields of a record that are records themselves."""
    return {
        name: get_args(hint)[0] if get_origin(hint) is Setting else Any
        for name, hint in get_type_hints(kind).items()
    }


def _is(value: Any, kind: Any) -> bool:
    if kind is Any:
        return True
    if get_origin(kind) is list:
        return isinstance(value, list) and all(_is(item, get_args(kind)[0]) for item in value)
    if kind in (int, float):
        return isinstance(value, (int, float)) and not isinstance(value, bool) and _finite(value)
    return isinstance(value, kind) if isinstance(kind, type) else True


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer of more than 308 digits
        return False
