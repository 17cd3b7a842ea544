"""A path or bytes become a `Document`, or one sentence that says why not."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from lora_doctor.source.document import Document, SourceError

MAX_BYTES = 8 * 1024 * 1024  # the largest config a trainer ships has 60 KB
SYNTAXES = {
    "toml": "toml",
    "yaml": "yaml",
    "yml": "yaml",
    "json": "json",
    "jsonc": "json",
    "sh": "shell",
    "bash": "shell",
    "zsh": "shell",
    "env": "shell",
    "ps1": "shell",
    "bat": "shell",
    "cmd": "shell",
}
_TEMPLATE = re.compile(r"\.(example|sample|template|dist|bak|orig)$", re.I)
_TOML_TABLE = re.compile(rb"^\s*\[\[?[\w.\"' -]+\]\]?\s*(#.*)?$", re.M)
_TOML_PAIR = re.compile(rb"^\s*[\w.\"-]+\s*=\s*[\"'\[{\w-]", re.M)
_YAML_PAIR = re.compile(rb"^[\w-]+:(\s|$)", re.M)
_COMMAND = re.compile(
    rb"^\s*(\w+=\S+\s+)*(nohup\s+)?(accelerate\s+launch|python3?|torchrun|deepspeed|uv\s+run)\s", re.M
)


def read_file(path: Path) -> Document:
    """Read and parse one file.

    Raises:
        SourceError: the file is missing, unreadable, too large, not text, or broken in its own syntax.
    """
    try:
        found = path.stat()
        size = found.st_size
        if not stat.S_ISREG(found.st_mode):  # a pipe may never end
            raise SourceError("is a folder" if stat.S_ISDIR(found.st_mode) else "is no regular file")
        if size > MAX_BYTES:
            raise SourceError(f"has {size / 1e6:,.0f} MB; no training config is larger than {MAX_BYTES / 1e6:.0f} MB")
        text = path.read_bytes()
    except OSError as error:
        raise SourceError(f"can't be read: {(error.strerror or str(error)).lower()}") from None
    return read_text(str(path), text)


def read_text(name: str, text: bytes) -> Document:
    """Parse bytes; `name` decides the syntax, and the content where the name says nothing."""
    if len(text) > MAX_BYTES:
        raise SourceError(f"has {len(text) / 1e6:,.0f} MB; no training config is larger than {MAX_BYTES / 1e6:.0f} MB")
    _refuse_binary(text)
    syntax = syntax_of(name, text)
    if syntax == "toml":
        from lora_doctor.source.toml import parse_toml as parse
    elif syntax == "yaml":
        from lora_doctor.source.yaml import parse_yaml as parse
    elif syntax == "json":
        from lora_doctor.source.json import parse_json as parse
    elif syntax == "shell":
        from lora_doctor.source.shell import parse_shell as parse
    else:
        raise SourceError("is neither TOML, YAML, JSON, a shell script nor a .env file")
    return parse(name, text)


def _refuse_binary(text: bytes) -> None:
    if text.startswith((b"\xff\xfe", b"\xfe\xff")) or (text[1:2] == b"\0" and text[3:4] == b"\0"):
        raise SourceError("is UTF-16; trainers read UTF-8: save it as UTF-8")
    if b"\0" in text:
        raise SourceError("is binary, not a config", text.count(b"\n", 0, text.index(b"\0")) + 1)
    if not text.removeprefix(b"\xef\xbb\xbf").strip():
        raise SourceError("is empty")
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise SourceError(
            f"is not UTF-8 (byte 0x{text[error.start]:02x}); trainers read UTF-8: save it so", line
        ) from None


def syntax_of(name: str, text: bytes = b"") -> str | None:
    """`toml`, `yaml`, `json`, `shell` or None, by suffix (`.example` and the like set aside), else by content."""
    plain = _TEMPLATE.sub("", name)
    suffix = plain.rpartition(".")[2].lower() if "." in Path(plain).name else ""
    if suffix in SYNTAXES:
        return SYNTAXES[suffix]
    return _by_content(text.removeprefix(b"\xef\xbb\xbf").lstrip())


def _by_content(text: bytes) -> str | None:
    if text.startswith(b"#!") or _COMMAND.search(text):
        return "shell"
    if text.startswith(b"{") or (text.startswith(b"[") and not _TOML_TABLE.match(text)):
        return "json"
    if _TOML_TABLE.search(text) or (_TOML_PAIR.search(text) and not text.startswith(b"export ")):
        return "toml"
    if _YAML_PAIR.search(text):
        return "yaml"
    return "shell" if text.startswith(b"export ") else None
