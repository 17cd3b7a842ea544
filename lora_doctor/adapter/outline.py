"""What the names of a file's tensors say by themselves: which layers there are, and which tensors make up each.

Checkpoints of a run, and the files one trainer writes for a model, share their names. Their outline is one object,
known by its identity: what follows from names alone is worked out once for all of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from lora_doctor.adapter.keys import Key, parse


class TwiceError(ValueError):
    """Two names in the same file mean one factor of one layer."""


class Group(NamedTuple):
    """One layer, and the tensors that make it up: roles and keys in parallel, and where each stands in the header.

    own: of a sequence parallel to the header's tensors, those of this layer. alpha: where its alpha stands.
    """

    part: str
    prefix: str
    name: str
    roles: tuple[str, ...]
    keys: tuple[Key, ...]
    places: tuple[int, ...]
    own: Callable[[Sequence[Any]], tuple[Any, ...]]
    alpha: int | None


class Outline(msgspec.Struct, frozen=True, eq=False):
    """Layers in file order. strangers: names of tensors that belong to no layer. prefixes, roles, suffixes, infixes:
    all that occur."""

    groups: tuple[Group, ...]
    strangers: tuple[str, ...]
    prefixes: frozenset[str]
    roles: frozenset[str]
    suffixes: frozenset[str]
    infixes: frozenset[str]


@lru_cache(maxsize=16)  # half a megabyte each
def outline_of(names: tuple[str, ...]) -> Outline:
    """Sort a file's tensors into layers. Raises TwiceError."""
    grouped: dict[str, tuple[list[Key], list[int]]] = {}
    keys = list(map(parse, names))
    for place, key in enumerate(keys):
        if key is None:
            continue
        together = grouped.get(key[6])
        if together is None:
            grouped[key[6]] = [key], [place]
        else:
            together[0].append(key)
            together[1].append(place)
    own = [key for key in keys if key]
    return Outline(
        tuple([_group(*together) for together in grouped.values()]),
        tuple([name for name, key in zip(names, keys) if key is None]) if len(own) < len(keys) else (),
        frozenset([key[1] for key in own]),
        frozenset([key[3] for key in own]),
        frozenset([key[4] for key in own]),
        frozenset([key[5] for key in own]) - {""},
    )


def _group(keys: list[Key], places: list[int]) -> Group:
    roles = tuple([key[3] for key in keys])
    if len({*roles}) < len(roles):
        first, second = next((a, b) for a, b in itertools.combinations(keys, 2) if a.role == b.role)
        raise TwiceError(f"{first.name!r} and {second.name!r}")
    alpha = places[roles.index("alpha")] if "alpha" in roles else None
    return Group(*keys[0][:3], roles, tuple(keys), tuple(places), _own(places), alpha)


def _own(places: list[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """An itemgetter, which takes a third of a comprehension's time; of one place it would not make a tuple."""
    first = places[0]
    return itemgetter(*places) if len(places) > 1 else lambda of: (of[first],)
