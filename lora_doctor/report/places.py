"""Where a finding stands, in the units that readers count in, and under the name they know the file by."""

from __future__ import annotations

import os
from functools import cache
from typing import NamedTuple

from lora_doctor.finding import Place
from lora_doctor.source.document import Document, Span
from lora_doctor.source.paths import relative


class Region(NamedTuple):
    """1-based lines and columns in characters; the end is the first position behind it."""

    line: int
    column: int
    end_line: int
    end_column: int


def region(document: Document, span: Span) -> Region:
    """The lines and columns of a span as it is, for edits."""
    return Region(*document.position(span.start), *document.position(span.end))


def shown_region(place: Place) -> Region:
    """The lines and columns of a place, without blanks and line breaks at its end."""
    document, span = place.document, place.span
    text = document.text[span.start : span.end]
    return region(document, Span(span.start, span.start + len(text.rstrip())))


def shown_name(name: str) -> str:
    """A file's name as the user knows it: from here where it lies below, else as it is."""
    return _from_here(name, os.getcwd())


@cache
def _from_here(name: str, here: str) -> str:
    if os.path.isabs(name) and name.startswith(here.rstrip(os.sep) + os.sep):
        return os.path.relpath(name, here)
    return name


@cache
def repository(here: str) -> str:
    """The folder that holds the git repository around `here`; `here` itself where there is none."""
    folder = here
    while not os.path.exists(os.path.join(folder, ".git")):
        above = os.path.dirname(folder)
        if above == folder:
            return here
        folder = above
    return folder


def repository_path(name: str) -> str | None:
    """The file's path from the root of the repository, `/` between its parts; None where it lies outside."""
    inside = relative(os.path.abspath(name), repository(os.getcwd())).replace(os.sep, "/")
    return None if inside == ".." or inside.startswith("../") or os.path.isabs(inside) else inside


def is_folder(document: Document) -> bool:
    """Whether it stands for a folder of images, which has no lines."""
    return document.syntax == "folder"
