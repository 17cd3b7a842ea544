"""Findings a project has decided to live with, keyed by what they are about and never by line: they don't drift.

A value is kept as a digest: it may be a secret.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from lora_doctor.result import Found
from lora_doctor.source.document import SourceError
from lora_doctor.source.paths import relative
from lora_doctor.write import write_beside

VERSION = 1


class Entry(NamedTuple):
    """One finding: its file (from the baseline's folder, `/` between parts), rule, key path and value's digest."""

    file: str
    rule: str
    key: str
    value: str


Baseline = Counter[Entry]


def entry(found: Found, folder: str) -> Entry:
    """What a finding is remembered by."""
    finding = found.finding
    key = ".".join(str(part) for part in finding.place.path) or finding.key
    return Entry(file_in(finding.place.document.name, folder), found.rule.id, key, digest(finding.value))


def file_in(name: str, folder: str) -> str:
    """The file's path from the baseline's folder."""
    return relative(os.path.abspath(name), folder).replace(os.sep, "/")


def digest(value: Any) -> str:
    """A short digest of a value; empty where the key is not written."""
    return "" if value is None else _sha256(json.dumps(value, sort_keys=True, default=str))[:12]


def fingerprint(found: Found, folder: str) -> str:
    """One finding in 32 hexadecimal digits, the same wherever in its file it moves."""
    return _sha256("\0".join(entry(found, folder)))[:32]


def _sha256(text: str) -> str:
    from hashlib import sha256  # 2 ms that a lint without a baseline does not pay

    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def load_baseline(path: Path) -> Baseline:
    """The findings in a baseline file.

    Raises:
        SourceError: it is not there, or no baseline.
    """
    try:
        data = json.loads(path.read_bytes())
        if data["version"] != VERSION:
            raise SourceError(f"{path}: is a baseline of version {data['version']}; this lora-doctor reads {VERSION}")
        return Counter(
            Entry(file, rule, item["key"], item["value"])
            for file, rules in data["findings"].items()
            for rule, items in rules.items()
            for item in items
        )
    except FileNotFoundError:
        raise SourceError(f"{path}: there is no baseline; write one with --write-baseline") from None
    except OSError as error:
        raise SourceError(f"{path}: can't be read: {(error.strerror or str(error)).lower()}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SourceError(f"{path}: is no baseline of lora-doctor; write one with --write-baseline") from None


def split(found: Iterable[Found], baseline: Baseline, folder: str) -> tuple[list[Found], Baseline]:
    """The findings that are new, and what is left of the baseline."""
    left = Counter(baseline)
    new = []
    for each in found:
        key = entry(each, folder)
        if left[key] > 0:
            left[key] -= 1
        else:
            new.append(each)
    return new, +left


def stale(left: Baseline, files: Iterable[str], folder: str) -> int:
    """How many entries are no longer found, among those of the files looked at and of files that are gone."""
    looked_at = {file_in(name, folder) for name in files}
    return sum(number for key, number in left.items() if key.file in looked_at or _gone(key, folder))


def save_baseline(path: Path, found: Iterable[Found], files: Iterable[str], before: Baseline) -> int:
    """Write the findings of the files looked at, keeping what stood there of others; returns how many there are."""
    folder = os.path.dirname(os.path.abspath(path))
    looked_at = {file_in(name, folder) for name in files}
    entries = [entry(each, folder) for each in found]
    entries += [key for key in before.elements() if key.file not in looked_at and not _gone(key, folder)]
    tree: dict[str, dict[str, list[dict[str, str]]]] = {}
    for key in sorted(entries):
        tree.setdefault(key.file, {}).setdefault(key.rule, []).append({"key": key.key, "value": key.value})
    write_beside(path, (json.dumps({"version": VERSION, "findings": tree}, indent=1) + "\n").encode())
    return len(entries)


def _gone(key: Entry, folder: str) -> bool:
    return not os.path.exists(os.path.join(folder, key.file))
