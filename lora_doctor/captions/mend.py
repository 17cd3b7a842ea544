"""A caption's bytes as they should have been: UTF-8, without mark, damage and invisible characters."""

from __future__ import annotations

from lora_doctor.captions.patterns import DAMAGED, INVISIBLE
from lora_doctor.captions.read import MAX_BYTES, decoded


def mended_text(raw: bytes) -> tuple[bytes, list[str]]:
    """A caption in UTF-8, without mark and invisible characters, and what was done to it."""
    if len(raw) > MAX_BYTES:
        return raw, []
    text, encoding, strange = decoded(raw)
    done = []
    if encoding == "utf-8-sig":
        done.append("byte order mark removed")
    elif encoding == "utf-16":
        done.append("UTF-16 saved as UTF-8")
    elif strange is not None:
        done.append(f"saved as UTF-8 (it looked like Windows-1252: byte 0x{strange[1]:02x})")
    repaired = _repaired(text)
    if repaired != text:
        done.append("damaged characters repaired")
    clean = INVISIBLE.sub("", repaired)
    if clean != repaired:
        done.append("invisible characters removed")
    return (clean.encode("utf-8"), done) if done else (raw, [])


def _repaired(text: str) -> str:
    """UTF-8 that was read as Windows-1252 and saved again: undone where the whole text says so."""
    if not DAMAGED.search(text):
        return text
    try:
        return text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return text
