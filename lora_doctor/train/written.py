"""Captions as they stand beside the images. No numpy here."""

from __future__ import annotations

import os
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from lora_doctor.captions.read import MAX_BYTES, decoded
from lora_doctor.dataset.imageset import listed
from lora_doctor.train.job import Data, Job
from lora_doctor.train.targets import UnfitError

UNICODE = ("utf-8", "utf-8-sig")


class Written(NamedTuple):
    """The caption of an image as it stands in the data set; `file` is empty where it stands in none."""

    text: str
    file: str = ""
    encoding: str = "utf-8"  # `unknown`: the bytes are no UTF-8, and `text` is a guess


def written(data: Data, name: str) -> Written | None:
    """The caption of one image; None where its file is missing or can't be read."""
    if data.captions == "prompt":
        return Written((data.prompt or "").strip())
    stem = os.path.splitext(name)[0]
    if data.captions == "filename":
        return Written(os.path.basename(stem))
    file = stem + data.caption_extension
    try:
        with open(Path(data.folder) / file, "rb") as stream:
            content = stream.read(MAX_BYTES)
    except OSError:
        return None
    text, encoding, _ = decoded(content)
    return Written(text.strip(), file, encoding)


def check_encoding(job: Job) -> None:
    """Every caption file is UTF-8: of another encoding the letters would be guessed.

    Raises:
        UnfitError: some are not.
    """
    for place, data in enumerate(job.data):
        found = {name: written(data, name) for name in data.names} if data.captions == "files" else {}
        strange = [each.file for each in found.values() if each is not None and each.encoding not in UNICODE]
        if strange:
            there = sum(each is not None for each in found.values())
            mended = f"lora-doctor dataset fix {quote(str(data.folder))} --output {quote(f'{data.folder}-mended')}"
            raise UnfitError(
                f"data.{place}.folder",
                f"{len(strange)} of {there} captions in {data.folder} {'is' if len(strange) == 1 else 'are'} not UTF-8 "
                f"({listed(strange)}), and their letters would be guessed: `{mended}` writes a copy in which they are",
                job.reasons.get("data", ""),
            )
