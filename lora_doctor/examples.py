"""The fences in a rule's docstring: its documentation, and the test suite of the rule."""

from __future__ import annotations

import os
import re
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from lora_doctor.rule import Rule

SUFFIX = {
    "toml": "toml", "yaml": "yaml", "json": "json", "jsonc": "jsonc", "shell": "sh", "env": "env", "ps1": "ps1",
    "bat": "bat", "adapter": "safetensors", "dataset": "txt", "run": "run",
}  # fmt: skip
ENCODINGS = ("cp1252", "utf-8-sig", "utf-16")
_FENCE = re.compile(r"^```(\w+)(?:[ \t]+([^\n]*))?\n(.*?)^```[ \t]*$", re.M | re.S)


class Example(NamedTuple):
    """One fence: ```` ```toml diffusion-pipe flagged ````, with the files its `files` fences put beside it.

    A `files` fence before it lists what lies beside the config, one path a line, optionally with content behind a
    colon (`images/01.txt: a photo of zwx`), optionally with the day it was last changed (`images/01.png @ 2026-07-01`)
    or the encoding of its text (`images/01.txt @ cp1252: a café`).
    A `file NAME` fence (```` ```toml file dataset.toml ````) is a file beside it with this name; an `environment` fence
    is the machine, as `lora_doctor.environment.described` reads it. `name` is the file name the example itself is
    written to (`name=config.env` in the fence). An `adapter` fence describes a LoRA file, as
    `lora_doctor.adapter.example` reads it. A `dataset` fence is a folder of images, one file a line, as
    `lora_doctor.dataset.described` reads it; `trainer` then holds what the command line would say
    (`resolution=512 trainer=sd-scripts`). A `run` fence is a run's signals as a table, as
    `lora_doctor.symptoms.example` reads it.
    """

    syntax: str
    trainer: str
    flagged: bool
    text: str
    name: str
    beside: tuple[tuple[str, str], ...]
    environment: str = ""


def examples(rule: Rule) -> list[Example]:
    """The fences of one rule, in order; files fences belong to the next example."""
    return parse_examples(rule.check.__doc__ or "")


def parse_examples(docstring: str) -> list[Example]:
    """Every example of a docstring."""
    doc = textwrap.dedent("    " + docstring.lstrip("\n"))
    found: list[Example] = []
    beside: list[tuple[str, str]] = []
    environment = ""
    for syntax, info, text in _FENCE.findall(doc):
        words = info.split()
        if syntax == "files":
            beside += [_listed(line) for line in text.splitlines() if line.strip()]
        elif syntax == "environment":
            environment = text
        elif words and words[0] == "file":
            beside.append((words[1], text))
        elif (words and words[-1] in ("flagged", "clean")) or any(word.startswith("name=") for word in words):
            found.append(_example(syntax, words, text, tuple(beside))._replace(environment=environment))
            beside, environment = [], ""
    return found


def _listed(line: str) -> tuple[str, str]:
    name, _, content = line.strip().partition(": ")
    return name, content


def _example(syntax: str, words: list[str], text: str, beside: tuple[tuple[str, str], ...]) -> Example:
    name = next((word[5:] for word in words if word.startswith("name=")), f"config.{SUFFIX[syntax]}")
    plain = [word for word in words if not word.startswith("name=")]
    return Example(syntax, " ".join(plain[:-1]), plain[-1] == "flagged", text, name, beside)


def lay_out(example: Example, folder: Path) -> Path:
    """Write an example and the files beside it into a folder; returns the config's path, or the folder of images."""
    if example.syntax == "dataset":
        from lora_doctor.dataset.described import write_described

        write_described(example.text, folder)
        return folder
    for name, content in example.beside:
        name, _, day = name.partition(" @ ")
        encoding, day = (day, "") if day in ENCODINGS else ("utf-8", day)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        else:
            path.write_text(content, encoding=encoding)
        if day:
            changed = datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
            os.utime(path, (changed, changed))
    path = folder / example.name
    path.parent.mkdir(parents=True, exist_ok=True)
    if example.syntax == "adapter":
        from lora_doctor.adapter.example import lay_out as make

        make(example.text, path.parent, path.name)
    else:
        path.write_text(example.text, encoding="utf-8")
    return path
