"""What a user may have meant by a key this trainer does not know."""

from __future__ import annotations

from typing import NamedTuple

from lora_doctor.setting import KeyTable


class Suggestion(NamedTuple):
    """A better key: `kind` is `misplaced` (right key, wrong table), `foreign` (another trainer's word) or `typo`."""

    kind: str
    key: str
    action: str


def suggest_key(key: str, table: KeyTable, trainer: str) -> Suggestion | None:
    """The key that was probably meant, or None."""
    return _misplaced(key, table) or _foreign(key, table, trainer) or _typo(key, table)


def _misplaced(key: str, table: KeyTable) -> Suggestion | None:
    last = key.rpartition(".")[2]
    homes = [known for known in table.keys if known.rpartition(".")[2] == last and known != key]
    if len(homes) != 1 or len(last) < 3 or last in ("type", "name", "path"):
        return None
    home = homes[0].rpartition(".")[0]
    where = f"under `{home}`" if home else "at the top level"
    return Suggestion("misplaced", homes[0], f"write it {where}")


def _foreign(key: str, table: KeyTable, trainer: str) -> Suggestion | None:
    from lora_doctor.dialects import all_dialects

    last = key.rpartition(".")[2]
    own = {concept: name for d in all_dialects() if d.TRAINER == trainer for concept, name in d.CONCEPTS.items()}
    for dialect in all_dialects():
        for concept, name in dialect.CONCEPTS.items():
            better = own.get(concept)
            if name.rpartition(".")[2] == last and len(last) > 2 and better and better.rpartition(".")[2] != last:
                return Suggestion("foreign", better, f"{trainer} calls this `{better}`")
    return None


def _typo(key: str, table: KeyTable) -> Suggestion | None:
    from difflib import get_close_matches

    home = key.rpartition(".")[0]
    siblings = [known for known in table.keys if known.rpartition(".")[0] == home]
    close = get_close_matches(key, siblings or list(table.keys), n=1, cutoff=0.84)
    return Suggestion("typo", close[0], f"did you mean `{close[0]}`?") if close else None
