"""File names of a dataset folder: no image is opened."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

IMAGES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".heic", ".jxl"})
VIDEOS = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi"})
CACHES = frozenset({"_latent_cache", "_t_e_cache", "_controls", "cache", ".thumbs", ".tmp"})
MAX_FILES = 200_000


class Listing(NamedTuple):
    """Names in one folder (relative, `/` between parts), sorted. `images` are those this trainer opens."""

    folder: Path
    images: tuple[str, ...]
    unread_images: tuple[str, ...]  # images in formats or sub-folders that this trainer passes over
    texts: tuple[str, ...]  # .txt, .caption and the like
    others: tuple[str, ...]
    folders: tuple[str, ...]  # sub-folders with files in them
    hidden: tuple[str, ...] = ()  # sub-folders passed over here: hidden ones and trainers' caches

    def captioned(self, extension: str) -> tuple[str, ...]:
        """Images that have a side-car caption with this extension (dot included)."""
        known = {os.path.normcase(name) for name in self.texts}  # on Windows, A.TXT is the caption of a.png
        return tuple(name for name in self.images if os.path.normcase(os.path.splitext(name)[0] + extension) in known)


def list_folder(folder: Path, extensions: frozenset[str] = IMAGES, *, recursive: bool = False) -> Listing | None:
    """The names in `folder`, as a trainer that reads `extensions` sees them; None where it is no readable folder."""
    names = _walk(folder)
    if names is None:
        return None
    images: list[str] = []
    unread: list[str] = []
    texts: list[str] = []
    others: list[str] = []
    folders: set[str] = set()
    for name in names:
        suffix = os.path.splitext(name)[1].lower()
        deep = "/" in name
        if deep:
            folders.add(name.partition("/")[0])
        if suffix in IMAGES or suffix in extensions:
            (images if suffix in extensions and (recursive or not deep) else unread).append(name)
        elif suffix in (".txt", ".caption", ".cap", ".tags"):
            texts.append(name)
        else:
            others.append(name)
    parts = (tuple(sorted(part)) for part in (images, unread, texts, others, folders))
    return Listing(folder, *parts)._replace(hidden=_hidden(folder))


def _hidden(folder: Path) -> tuple[str, ...]:
    try:
        with os.scandir(folder) as entries:
            return tuple(sorted(e.name for e in entries if _passed_over(e.name) and e.is_dir(follow_symlinks=False)))
    except OSError:
        return ()


def _passed_over(name: str) -> bool:
    return name in CACHES or name.startswith(".")


def _walk(folder: Path) -> list[str] | None:
    """Relative names of all files; trainers' caches and hidden folders are passed over, links are not followed."""
    names: list[str] = []
    if not folder.is_dir():
        return None
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not _passed_over(name)]
        inside = os.path.relpath(root, folder).replace(os.sep, "/")
        names += [name if inside == "." else f"{inside}/{name}" for name in files]
        if len(names) > MAX_FILES:
            break
    return names
