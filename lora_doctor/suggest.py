"""Keys a trainer does not read, and what their writer may have meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from lora_doctor.plan import Plan
from lora_doctor.setting import Config, KeyTable, Setting

COMMON = frozenset({"type", "name", "path", "id", "config", "dtype", "resolution", "shift", "seed", "prompt", "lr"})


class Suggestion(NamedTuple):
    """A better key: `kind` is `typo`, `misplaced` (right key, wrong table) or `foreign` (another trainer's word)."""

    kind: str
    key: str


def unknown_keys(plan: Plan) -> Iterator[tuple[Config, str, Setting[Any], Suggestion | None]]:
    """Every written key that is not in the trainer's table, topmost first; what stands below one is not repeated."""
    for config in plan.configs:
        reported: list[str] = []
        for key, setting in config.written():
            if config.table.find(key) or config.table.inside(key) or any(key.startswith(f"{k}.") for k in reported):
                continue
            if key.rpartition(".")[2].startswith(("_", "$")) or not config.table.keys:
                continue  # a note to themselves: no trainer reads it, no reader misses it
            reported.append(key)
            yield config, key, setting, suggest_key(key, config.table, plan.trainer)


def suggest_key(key: str, table: KeyTable, trainer: str) -> Suggestion | None:
    """The key that was probably meant, or None."""
    return _typo(key, table) or _foreign(key, table, trainer) or _misplaced(key, table)


def _typo(key: str, table: KeyTable) -> Suggestion | None:
    from difflib import get_close_matches

    home, _, last = key.rpartition(".")
    siblings = {name.rpartition(".")[2] for name in table.keys if name.rpartition(".")[0] == table.pattern(home)}
    close = get_close_matches(last, siblings, n=1, cutoff=0.85)
    if not close or last.replace("_", "") == "":
        return None
    same_length = abs(len(close[0]) - len(last)) <= 2
    return Suggestion("typo", f"{home}.{close[0]}" if home else close[0]) if same_length else None


def _foreign(key: str, table: KeyTable, trainer: str) -> Suggestion | None:
    from lora_doctor.dialects import all_dialects

    last = key.rpartition(".")[2]
    if last in COMMON:
        return None
    dialects = all_dialects()
    own = {concept: name for d in dialects if d.TRAINER == trainer for concept, name in d.CONCEPTS.items()}
    for dialect in dialects:
        for concept, name in dialect.CONCEPTS.items():
            better = own.get(concept)
            if better and name.rpartition(".")[2] == last and better.rpartition(".")[2] != last and better in table.keys:
                return Suggestion("foreign", better)
    return None


def _misplaced(key: str, table: KeyTable) -> Suggestion | None:
    last = key.rpartition(".")[2]
    homes = [known for known in table.keys if known.rpartition(".")[2] == last]
    return Suggestion("misplaced", homes[0]) if len(homes) == 1 and last not in COMMON else None
