"""diffusion-pipe's command line: `deepspeed --num_gpus=1 train.py --deepspeed --config X.toml`.

Source: tdrussell/diffusion-pipe@8f83dbf train.py:43-60, README.md "Training"; deepspeed 0.18.4 launcher/runner.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from lora_doctor.dialects.argv import command_config
from lora_doctor.dialects.launch import file_name
from lora_doctor.setting import Config, Setting, key_table
from lora_doctor.source.document import Command, Document, Word


class Launch(NamedTuple):
    """One launch line: the flags of launcher and script, and the config it names."""

    flags: Config
    config: str


def launches(document: Document) -> Iterator[Launch]:
    """Every launch line of a script."""
    for command in document.commands:
        words = _own_words(command)
        if words:
            flags = command_config(document, command, words, key_table("diffusion_pipe", "launch"))
            named = flags.get("config").value
            if isinstance(named, str):
                yield Launch(flags, named)


def _own_words(command: Command) -> tuple[Word, ...]:
    """The words behind `deepspeed` without the script's name; none where this is no launch of diffusion-pipe."""
    texts = [word.text for word in command.words]
    script = next((i for i, text in enumerate(texts) if file_name(text) == "train.py"), None)
    if script is None:
        return ()
    launcher = next((i for i, text in enumerate(texts[:script]) if file_name(text) == "deepspeed"), None)
    if launcher is None and "--deepspeed" not in texts[script:]:
        return ()
    before = command.words[launcher + 1 : script] if launcher is not None else ()
    return (*before, *command.words[script + 1 :])


def devices(flags: Config) -> Setting[int]:
    """GPUs this line starts; unknown where DeepSpeed takes all it finds."""
    if flags.has("include"):
        return flags.get("include").map(_included)
    return flags.get("num_gpus")


def _included(value: Any) -> int | None:
    """`localhost:0,2` names two devices; more hosts are joined by `@`."""
    hosts = [host.partition(":")[2] for host in str(value).split("@")]
    return sum(len(host.split(",")) for host in hosts) if all(hosts) else None


def replicas(flags: Config, stages: Any) -> Setting[int]:
    """Copies of the model that see different images: GPUs / pipeline_stages (README "Parallelism")."""
    gpus = devices(flags)
    if not isinstance(gpus.value, int) or not isinstance(stages, int) or stages < 1 or gpus.value % stages:
        return gpus._replace(value=None, origin="unknown")
    return gpus._replace(value=gpus.value // stages)
