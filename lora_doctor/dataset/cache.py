"""Measurements kept between runs: by path, size and time of change, and by content for files that were moved."""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from lora_doctor.dataset.facts import VERSION, Features

AT_A_TIME = 400  # values in one query
PATIENCE = 3.0  # seconds to wait for another process that writes


class Stamp(NamedTuple):
    """What tells that a file is the one measured: bytes, and nanoseconds since 1970."""

    size: int
    changed: int


def stamp_of(path: str) -> Stamp | None:
    """Of a file as it lies there now; None where it can't be looked at."""
    try:
        state = os.stat(path)
    except OSError:
        return None
    return Stamp(state.st_size, state.st_mtime_ns)


def cache_path() -> Path:
    """Where this user's caches belong."""
    if os.environ.get("XDG_CACHE_HOME"):
        base = Path(os.environ["XDG_CACHE_HOME"])
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home())
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path.home() / ".cache"
    return base / "lora-doctor" / f"images-{VERSION}.sqlite"


class Cache:
    """Rows of facts. What can't be kept for the user is kept in a temporary file for the run, or in memory."""

    def __init__(self, path: Path | None = None) -> None:
        self._temporary = ""
        self._waiting: list[tuple[str, tuple[object, ...]]] = []  # statements that `commit` will run
        try:
            self.path = path or cache_path()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._open(self.path)
        except (OSError, RuntimeError, sqlite3.Error):  # read-only home, no home, a broken file
            self._elsewhere()

    def _elsewhere(self) -> None:
        """For this run only: in a temporary file, or in memory where that can't be written either."""
        try:
            handle, self._temporary = tempfile.mkstemp(suffix=".sqlite")
            os.close(handle)
            self.path = Path(self._temporary)
            self._open(self.path)
        except (OSError, sqlite3.Error):
            self._open(":memory:")

    def _open(self, path: str | Path) -> None:
        self._base = sqlite3.connect(path, timeout=PATIENCE)
        self._base.execute("PRAGMA journal_mode=WAL")
        self._base.execute("PRAGMA synchronous=NORMAL")
        self._base.executescript(
            "CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, size INT, changed INT, digest BLOB)"
            " WITHOUT ROWID;"
            "CREATE TABLE IF NOT EXISTS facts"
            " (digest BLOB PRIMARY KEY, record BLOB, points BLOB, descriptors BLOB, edges BLOB, grey BLOB)"
            " WITHOUT ROWID;"
            "CREATE TABLE IF NOT EXISTS sets (digest BLOB PRIMARY KEY, value TEXT) WITHOUT ROWID;"
            "CREATE TABLE IF NOT EXISTS more (kind TEXT, digest BLOB, value BLOB, PRIMARY KEY (kind, digest))"
            " WITHOUT ROWID;"
        )

    def known(self, stamps: dict[str, Stamp]) -> Iterator[tuple[str, bytes]]:
        """The record of each path that has not changed."""
        paths = list(stamps)
        for start in range(0, len(paths), AT_A_TIME):
            part = [_key(path) for path in paths[start : start + AT_A_TIME]]
            query = (
                "SELECT path, size, changed, record FROM files JOIN facts USING (digest)"
                f" WHERE path IN ({','.join('?' * len(part))})"
            )
            names = dict(zip(part, paths[start : start + AT_A_TIME]))
            for key, size, changed, record in self._base.execute(query, part):
                if stamps[names[key]] == (size, changed):
                    yield names[key], record

    def keep(self, path: str, stamp: Stamp, digest: bytes, record: bytes, features: Features | None) -> None:
        """Remember one file; `commit` makes it last."""
        if features is not None:
            values = (digest, record, *features)
            self._waiting.append(("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?, ?)", values))
        self._waiting.append(("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", (_key(path), *stamp, digest)))

    def features(self, digests: Sequence[bytes]) -> Iterable[tuple[bytes, Features]]:
        """The corners of files by their content."""
        for start in range(0, len(digests), AT_A_TIME):
            part = digests[start : start + AT_A_TIME]
            marks = ",".join("?" * len(part))
            query = f"SELECT digest, points, descriptors, edges, grey FROM facts WHERE digest IN ({marks})"
            for digest, *features in self._base.execute(query, part):
                yield digest, Features(*features)

    def of_set(self, digest: bytes) -> str | None:
        """What was found out about a set of files with these names and contents."""
        row = self._base.execute("SELECT value FROM sets WHERE digest = ?", (digest,)).fetchone()
        return row[0] if row else None

    def keep_set(self, digest: bytes, value: str) -> None:
        """Remember what was found out about a set."""
        self._waiting.append(("INSERT OR REPLACE INTO sets VALUES (?, ?)", (digest, value)))

    def digest_of(self, path: str, stamp: Stamp) -> bytes | None:
        """What `keep` was told of a file that has not changed since."""
        row = self._base.execute(
            "SELECT digest FROM files WHERE path = ? AND size = ? AND changed = ?", (_key(path), *stamp)
        ).fetchone()
        return row[0] if row else None

    def more(self, kind: str, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        """Further measurements of contents; `kind` names what was measured, with its version."""
        found: dict[bytes, bytes] = {}
        for start in range(0, len(digests), AT_A_TIME):
            part = digests[start : start + AT_A_TIME]
            query = f"SELECT digest, value FROM more WHERE kind = ? AND digest IN ({','.join('?' * len(part))})"
            found.update(self._base.execute(query, (kind, *part)))
        return found

    def keep_more(self, kind: str, digest: bytes, value: bytes) -> None:
        """Remember a further measurement of a content."""
        with suppress(sqlite3.Error):
            self._base.execute("INSERT OR REPLACE INTO more VALUES (?, ?, ?)", (kind, digest, value))

    def commit(self) -> None:
        """Write what was kept, all at once: other runs wait no longer than that.

        Where it can't be written (locked for too long, a full disk), the run goes on with a cache of its own.
        """
        try:
            self._write()
        except sqlite3.Error:
            if self._temporary:
                return
            self._base.close()
            self._elsewhere()
            with suppress(sqlite3.Error):
                self._write()

    def _write(self) -> None:
        with self._base:
            for statement, values in self._waiting:
                self._base.execute(statement, values)
        self._waiting.clear()

    def close(self) -> None:
        """Write and close; a temporary file goes."""
        self.commit()
        self._base.close()
        if self._temporary:
            for end in ("", "-wal", "-shm"):
                with suppress(OSError):
                    os.unlink(self._temporary + end)


def reader(path: Path) -> Callable[[bytes], bytes | None]:
    """For a worker: the record of a content, from a cache that it never writes to and never waits for."""
    try:
        base = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=0)
    except (sqlite3.Error, ValueError):
        return lambda digest: None

    def record(digest: bytes) -> bytes | None:
        with suppress(sqlite3.Error):
            row = base.execute("SELECT record FROM facts WHERE digest = ?", (digest,)).fetchone()
            return row[0] if row else None
        return None

    return record


def _key(path: str) -> str:
    """Names may hold bytes that are no text, which sqlite would refuse."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
