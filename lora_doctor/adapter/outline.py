"""What the names of a file's tensors say by themselves: which layers there are, and which tensors make up each.

Files that one trainer writes for a model share most of their layers' names. A layer's names are taken apart once for
all files (`Group`), and so is a whole file's list of names (`Outline`): each is one object, known by its identity, and
what follows from names alone is worked out once for it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from lora_doctor.adapter.kept import Kept
from lora_doctor.adapter.keys import Key, parse, plain

_Own = Callable[[Sequence[Any]], Iterable[tuple[Any, ...]]]


class TwiceError(ValueError):
    """Two names in the same file mean one factor of one layer."""


class Style(msgspec.Struct, frozen=True, eq=False):
    """How a layer's names are put together: one object for all layers that share it."""

    prefix: str
    roles: tuple[str, ...]
    suffixes: tuple[str, ...]
    infixes: tuple[str, ...]


class Group(NamedTuple):
    """One layer, by the names of its tensors: roles and keys in parallel. flat: its name as kohya writes it."""

    part: str
    prefix: str
    name: str
    flat: str
    stem: str
    roles: tuple[str, ...]
    keys: tuple[Key, ...]
    style: Style


class Columns(NamedTuple):
    """Groups, field by field: a pass over a thousand of them takes a third of the time."""

    part: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()
    name: tuple[str, ...] = ()
    flat: tuple[str, ...] = ()
    stem: tuple[str, ...] = ()
    roles: tuple[tuple[str, ...], ...] = ()
    keys: tuple[tuple[Key, ...], ...] = ()
    style: tuple[Style, ...] = ()


class Outline(msgspec.Struct, frozen=True, eq=False):
    """Layers in file order. strangers: names of tensors that belong to no layer. own: of a sequence parallel to the
    header's tensors, those of each layer. prefixes, roles, suffixes, infixes: all that occur."""

    groups: tuple[Group, ...]
    columns: Columns
    own: _Own
    strangers: tuple[str, ...]
    prefixes: frozenset[str]
    roles: frozenset[str]
    suffixes: frozenset[str]
    infixes: frozenset[str]


@lru_cache(maxsize=16)  # a third of a megabyte each
def outline_of(names: tuple[str, ...]) -> Outline:
    """Sort a file's tensors into layers. Raises TwiceError."""
    groups = _in_step(names)
    columns = Columns(*zip(*groups))
    if groups and len({*columns.stem}) == len(groups):
        return _outline(groups, columns, _stepping(len(groups[0].keys)), ())
    grouped: dict[str, list[int]] = {}
    strangers = []
    for place, key in enumerate(_KEYS.all(names)):
        if key is None:
            strangers.append(names[place])
        else:
            grouped.setdefault(key.stem, []).append(place)
    pickers = [_picker(places) for places in grouped.values()]
    groups = _GROUPS.all([picked(names) for picked in pickers])
    return _outline(groups, Columns(*zip(*groups)), _picking(pickers), tuple(strangers))


def _in_step(names: tuple[str, ...]) -> list[Group]:
    """The groups of a file whose layers follow each other, all with equally many tensors; else nothing.

    Most files are such: safetensors sorts by name what is stored in one number format.
    """
    first = _KEYS[names[0]] if names else None
    if first is None:
        return []
    size = sum(1 for _ in itertools.takewhile(lambda key: key and key.stem == first.stem, map(parse, names)))
    if len(names) % size:
        return []
    groups = _LAYERS.all(_stepping(size)(names))
    return [group for group in groups if group] if None not in groups else []


def _layer(names: tuple[str, ...]) -> Group | None:
    """The layer that these tensors make up; None where they are not of one, or one factor is there twice."""
    keys = _KEYS.all(names)
    same = None not in keys and len({key.stem for key in keys if key}) == 1
    return _GROUPS[names] if same and len({key.role for key in keys if key}) == len(keys) else None


def _group(names: tuple[str, ...]) -> Group:
    keys = tuple([key for key in _KEYS.all(names) if key])
    roles = tuple([key.role for key in keys])
    if len({*roles}) < len(roles):
        first, second = next((a, b) for a, b in itertools.combinations(keys, 2) if a.role == b.role)
        raise TwiceError(f"{first.name!r} and {second.name!r}")
    part, prefix, name = keys[0][:3]
    style = _style(prefix, roles, tuple([key.suffix for key in keys]), tuple([key.infix for key in keys]))
    return Group(part, prefix, name, plain(name), keys[0].stem, style.roles, keys, style)


_KEYS = Kept(parse)
_LAYERS = Kept(_layer)
_GROUPS = Kept(_group)


@lru_cache(maxsize=1024)
def _style(*pieces: Any) -> Style:
    return Style(*pieces)


def _outline(groups: list[Group], columns: Columns, own: _Own, strangers: tuple[str, ...]) -> Outline:
    styles = {*columns.style}
    return Outline(
        tuple(groups),
        columns,
        own,
        strangers,
        frozenset([style.prefix for style in styles]),
        frozenset([role for style in styles for role in style.roles]),
        frozenset([suffix for style in styles for suffix in style.suffixes]),
        frozenset([infix for style in styles for infix in style.infixes if infix]),
    )


def _stepping(size: int) -> _Own:
    return lambda column: zip(*[iter(column)] * size)


def _picking(pickers: list[Callable[[Sequence[Any]], tuple[Any, ...]]]) -> _Own:
    return lambda column: [picked(column) for picked in pickers]


def _picker(places: list[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """An itemgetter, which takes a third of a comprehension's time; of one place it would not make a tuple."""
    first = places[0]
    return itemgetter(*places) if len(places) > 1 else lambda of: (of[first],)
