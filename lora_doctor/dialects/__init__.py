"""What each trainer's files mean: recognise a document, read it into plans."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Protocol

from lora_doctor.dialects.reader import Reader
from lora_doctor.plan import Plan
from lora_doctor.source.document import Document

# Per syntax, the dialects that can be written in it; the first that recognises a document has it.
ORDER = {
    "toml": ("native", "diffusion_pipe", "simpletuner", "musubi", "sd_scripts", "kohya_gui"),
    "yaml": ("ai_toolkit",),
    "json": ("ai_toolkit", "onetrainer", "kohya_gui", "simpletuner", "musubi", "sd_scripts"),
    "shell": ("musubi", "sd_scripts", "diffusers", "diffusion_pipe", "ai_toolkit", "simpletuner", "onetrainer"),
}


class Dialect(Protocol):
    """What a dialect module offers."""

    TRAINER: str
    CONCEPTS: dict[str, str]  # plan field -> the trainer's key, for synonyms across trainers

    def recognise(self, document: Document) -> str | None:
        """The kind of file this is (`training`, `dataset`...), None when it is not this trainer's."""

    def read(self, document: Document, kind: str, reader: Reader) -> tuple[Plan, ...]:
        """The plans it holds: none for a support file, several for a script with several commands."""


@cache
def dialect(name: str) -> Dialect:
    """The dialect module of one name."""
    module: Dialect = importlib.import_module(f"lora_doctor.dialects.{name}")
    return module


def all_dialects() -> list[Dialect]:
    """Every dialect once."""
    names = dict.fromkeys(name for names in ORDER.values() for name in names)
    return [dialect(name) for name in names]


def recognise(document: Document, trainer: str | None = None, *, force: bool = False) -> tuple[Dialect, str] | None:
    """The dialect a document is written in, and the kind of file.

    `trainer` restricts the choice; with `force` that trainer reads the file whatever it looks like.
    """
    for name in ORDER[document.syntax]:
        module = dialect(name)
        if trainer is not None and module.TRAINER.lower() != trainer.lower():
            continue
        kind = module.recognise(document) or ("training" if force and trainer is not None else None)
        if kind:
            return module, kind
    return None


def trainer_names() -> list[str]:
    """Names that `--trainer` accepts."""
    return [module.TRAINER for module in all_dialects()]
