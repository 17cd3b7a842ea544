"""Caption files as each trainer opens them.

Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py lines 821 and 1946 (first line only, prefix, wildcards);
bghira/SimpleTuner@bc8e6ab simpletuner/helpers/prompts.py lines 379-431 (each line is a caption; file names);
Nerogar/mgds@3a6994a pipelineModules/LoadMultipleTexts.py (each line); kohya-ss/musubi-tuner@30c658c
dataset/datasources.py line 241; ostris/ai-toolkit@27a03a91 toolkit/dataloader_mixins.py line 333;
tdrussell/diffusion-pipe@8f83dbf utils/dataset.py line 741.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lora_doctor.captions.facts import Caption, Captions
from lora_doctor.captions.triggers import trigger_of
from lora_doctor.models.families import FAMILIES
from lora_doctor.plan import Dataset, Plan

MAX_FILES = 5000  # caption files read per folder; the rest are as the first
MAX_BYTES = 64 * 1024  # of one caption file
MAX_TABLE = 64 * 1024 * 1024  # bytes of a file that holds all captions
KOHYA = ("sd-scripts", "kohya_ss")
# Tokens of the template round a caption: Qwen3's chat template (diffusers pipeline_flux2_klein.py:204-238), SANA's
# first token and the two its instruction is shortened by (pipeline_sana.py:254-260), T5's end, CLIP's start and end.
TEMPLATE = {"flux2-klein": 12, "flux2-dev": 12, "sana": 2, "flux1": 1}


def read_captions(plan: Plan) -> Iterator[Captions]:
    """The captions of every folder that could be listed and whose captions stand in files."""
    for data in plan.datasets:
        entries = tuple(_entries(plan, data))
        if entries:
            found = Captions(plan, data, entries, limit=limit_of(plan), complete=_complete(data, entries))
            yield found._replace(trigger=trigger_of(found))


def _complete(data: Dataset, entries: tuple[Caption, ...]) -> bool:
    return data.listing is None or len(entries) >= len(data.listing.images[:MAX_FILES]) or len(entries) < MAX_FILES


def limit_of(plan: Plan) -> int | None:
    """Tokens of a caption that reach this model in this trainer."""
    family = FAMILIES.get(plan.model.family or "")
    limit = plan.prompt_tokens.value
    if limit is None and family is not None and not (plan.trainer == "diffusion-pipe" and family.id == "sdxl"):
        limit = family.prompt_tokens  # diffusion-pipe reads SDXL captions of any length, in chunks
    if limit is None or family is None:
        return None
    if family.id in ("sdxl", "sd15", "sd2"):
        return limit - limit % 75 if limit >= 75 else limit - 2  # 75, 150 or 225 between the marks of each chunk
    return limit - TEMPLATE.get(family.id, 2)


def _entries(plan: Plan, data: Dataset) -> Iterator[Caption]:
    source, listing = data.caption_source.value, data.listing
    if source == "files" and listing is not None and data.caption_extension.value:
        known = set(listing.texts) | set(listing.others)
        for image in listing.images[:MAX_FILES]:
            file = os.path.splitext(image)[0] + data.caption_extension.value
            if file in known:
                entry = _from_file(plan, data, listing.folder, image, file)
                if entry is not None:
                    yield entry
    elif source == "filename" and listing is not None:
        for image in listing.images[:MAX_FILES]:
            yield Caption(image, "", _affixed(plan, data, _stem(plan, image)))
    elif source in ("json", "column"):
        for image, texts, file in _table(plan, data):
            every = tuple(_affixed(plan, data, text.strip()) for text in texts)
            if every:
                yield Caption(image, file, every[0], every[1:])


def _stem(plan: Plan, image: str) -> str:
    stem = os.path.splitext(os.path.basename(image))[0]
    return stem.replace("_", " ") if plan.trainer == "SimpleTuner" else stem


def _from_file(plan: Plan, data: Dataset, folder: Path, image: str, file: str) -> Caption | None:
    try:
        with open(folder / file, "rb") as stream:
            content = stream.read(MAX_BYTES)
            size = os.fstat(stream.fileno()).st_size
    except OSError:
        return None
    text, encoding, strange = decoded(content)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    trained, cut = _trained(plan, data, text, lines)
    every = tuple(_affixed(plan, data, each) for each in trained)
    return Caption(image, file, every[0], every[1:], len(lines), size, encoding, strange, cut)


def decoded(content: bytes) -> tuple[str, str, tuple[int, int] | None]:
    """Text, encoding, and the first byte that is no UTF-8; what is none is read as Windows-1252."""
    if content.startswith(codecs.BOM_UTF8):
        content = content[len(codecs.BOM_UTF8) :]
        return content.decode("utf-8", "replace"), "utf-8-sig", None
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace"), "utf-16", (0, content[0])
    if b"\0" in content:  # no letter is zero in UTF-8: UTF-16 without a mark
        order = "utf-16-le" if content[1::2].count(0) >= content[::2].count(0) else "utf-16-be"
        return content.decode(order, "replace"), "utf-16", (content.index(0), 0)
    try:
        return content.decode("utf-8"), "utf-8", None
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data" and len(content) == MAX_BYTES:
            return content[: error.start].decode("utf-8"), "utf-8", None
        return content.decode("cp1252", "replace"), "unknown", (error.start, content[error.start])


def _trained(plan: Plan, data: Dataset, text: str, lines: list[str]) -> tuple[tuple[str, ...], str]:
    """The captions a file gives, and the part of it that is never trained."""
    if plan.trainer in KOHYA:
        if data.find("enable_wildcard").value is True:
            return tuple(lines) or ("",), ""
        rows = text.splitlines() or [""]
        return (rows[0].strip(),), " ".join(line.strip() for line in rows[1:] if line.strip())
    if plan.trainer == "OneTrainer" or (
        plan.trainer == "SimpleTuner" and data.get("disable_multiline_split").value is not True
    ):
        return tuple(lines) or ("",), ""
    return (text.strip(),), ""


def _affixed(plan: Plan, data: Dataset, text: str) -> str:
    """With the words a trainer puts before and behind every caption."""
    if plan.trainer in KOHYA:
        parts = (data.find("caption_prefix").value, text, data.find("caption_suffix").value)
        return " ".join(part for part in parts if isinstance(part, str) and part)
    if plan.trainer == "diffusion-pipe":
        own = data.get("caption_prefix")
        prefix = own.value if own.written else data.config.get("caption_prefix").value
        return prefix + text if isinstance(prefix, str) else text
    return text


def _table(plan: Plan, data: Dataset) -> Iterator[tuple[str, list[str], str]]:
    """Image, captions and file of the tables that hold all captions."""
    for path, file in _tables(plan, data):
        try:
            content = path.read_bytes() if path.stat().st_size <= MAX_TABLE else b""
        except OSError:
            continue
        rows = list(_rows(content, path.suffix, _column(data)))[:MAX_FILES]
        if rows:
            yield from ((image, texts, file) for image, texts in rows)
            return


def _tables(plan: Plan, data: Dataset) -> Iterator[tuple[Path, str]]:
    if data.listing is not None:
        for name in ("captions.json", "metadata.jsonl", "metadata.csv"):
            if name in data.listing.others:
                yield data.listing.folder / name, name
    keys = ("image_jsonl_file", "metadata_file", "dataset_path")
    for written in (data.get(key).value for key in keys):
        if isinstance(written, str) and written:
            beside = Path(data.config.document.name).absolute().parent
            for folder in (Path.cwd(), beside):
                path = folder / os.path.expanduser(written)
                if path.is_file():
                    yield path, written
                    break


def _column(data: Dataset) -> str:
    for key in ("caption_column", "edit_prompt_column"):
        value = data.config.get(key).value
        if isinstance(value, str) and value:
            return value
    return "caption"


def _rows(content: bytes, suffix: str, column: str) -> Iterator[tuple[str, list[str]]]:
    text = decoded(content)[0]
    if suffix == ".csv":
        rows: list[Any] = list(csv.DictReader(io.StringIO(text)))
    elif suffix == ".jsonl":
        rows = [_json(line) for line in text.splitlines() if line.strip()]
    else:
        data = _json(text)
        rows = [{"image_path": key, column: value} for key, value in data.items()] if isinstance(data, dict) else []
    for row in rows:
        if not isinstance(row, dict):
            continue
        image = row.get("file_name") or row.get("image_path") or row.get("image")
        value = row.get(column, row.get("text", row.get("caption")))
        if isinstance(value, dict):
            value = value.get("caption", value.get("tags"))
        texts = [value] if isinstance(value, str) else value
        if isinstance(image, str) and isinstance(texts, list) and all(isinstance(each, str) for each in texts):
            yield image, texts


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
