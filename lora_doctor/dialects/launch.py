"""Which script a command starts, and what its launcher (`accelerate launch`, `torchrun`) settles for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from lora_doctor.dialects.argv import flags
from lora_doctor.dialects.reader import Reader
from lora_doctor.finding import Place
from lora_doctor.setting import Setting
from lora_doctor.source.document import Command, Document, Word

_LAUNCHERS = re.compile(r"^(.*[/\\])?(accelerate|accelerate-launch|python[\d.]*w?|torchrun|deepspeed)(\.exe)?$")
# commands that look at a script, copy it or stop it, and run nothing
_NO_RUN = re.compile(
    r"^(.*[/\\])?(pkill|pgrep|killall|kill|ps|cp|mv|ls|rm|ln|cat|head|tail|less|grep|sed|awk|find|echo|printf|touch|chmod"
    r"|chown|wget|curl|git|test|stat|diff|nano|vim?|code|dos2unix|rsync|scp|type|where|write-(host|output)|copy-item|not|exist|\[\[?|test-path|dir|x?copy|move|del|findstr)$",
    re.I,
)
_PROCESSES = ("num_processes", "nproc_per_node", "num_gpus")


class Launch(NamedTuple):
    """One script started by a command: `before` are the launcher's words, `words` the script's arguments."""

    command: Command
    script: str  # its file name, `train_x.py`
    word: Word
    before: tuple[Word, ...]
    words: tuple[Word, ...]


class Launcher(NamedTuple):
    """What the launcher says: `precision` in its own words, `processes` that see different images."""

    precision: Setting[str] = Setting()
    processes: Setting[int] = Setting()


def file_name(text: str) -> str:
    """The last part of a path, POSIX or Windows."""
    return re.split(r"[/\\]", text)[-1]


def only_named(before: tuple[Word, ...]) -> bool:
    """Whether a script behind these words is an argument of another program: `pkill -f train_x.py` runs nothing."""
    first = next((word.text for word in before if _LAUNCHERS.match(word.text) or _NO_RUN.match(word.text)), "")
    return bool(_NO_RUN.match(first))


def launches(document: Document, known: Callable[[str], bool]) -> Iterator[Launch]:
    """Every script with a known name that the commands start, in their order."""
    for command in document.commands:
        found = _launch(command, known)
        if found is not None:
            yield found


def _launch(command: Command, known: Callable[[str], bool]) -> Launch | None:
    """`python -m package.train_x` starts `train_x.py`; `cp train_x.py there` starts nothing."""
    started = False
    for i, word in enumerate(command.words):
        started = started or bool(_LAUNCHERS.match(word.text))
        name = file_name(word.text)
        module = i > 0 and command.words[i - 1].text in ("-m", "--module")
        name = f"{name.rpartition('.')[2]}.py" if module else name
        if name.endswith(".py") and (started or i == 0) and known(name):
            return Launch(command, name, word, command.words[:i], command.words[i + 1 :])
        if name.endswith(".py") and not module:  # another script, which ours may only be an argument of
            return None
    return None


def launcher(document: Document, launch: Launch, reader: Reader) -> Launcher:
    """The launcher's flags, then its config file; what `accelerate config` set on the machine is not known."""
    given = {flag.name.replace("-", "_"): flag.values for flag in flags(launch.before) if flag.values}
    config: dict[str, Any] = {}
    if "config_file" in given:
        followed = reader.document(given["config_file"][0].text, document)
        config = followed.data if followed is not None and isinstance(followed.data, dict) else {}
    precision = _setting(document, launch, "mixed_precision", given, config)
    name = next((name for name in _PROCESSES if name in given), "num_processes")
    processes: Setting[int] = _setting(document, launch, name, given, config).map(_count)
    alone = not any(re.search(r"accelerate|torchrun|deepspeed|distributed", word.text) for word in launch.before)
    if processes.value is None and (alone or _one_device(document, launch)):
        processes = processes._replace(value=1, origin="default")
    if precision.value is None and alone:
        precision = precision._replace(value="no", origin="default")
    return Launcher(precision, processes)


def _setting(
    document: Document, launch: Launch, name: str, given: dict[str, tuple[Word, ...]], config: dict[str, Any]
) -> Setting[Any]:
    word = given[name][0] if name in given else launch.word
    place = Place(document, word.span, ("launcher", name))
    if name in given:
        return Setting(word.text if word.known else None, "written" if word.known else "unknown", f"--{name}", place)
    value = config.get(name)
    return Setting(value, "unknown" if value is None else "written", f"--{name}", place)


def _count(value: Any) -> int | None:
    return int(value) if str(value).isdecimal() else None


def _one_device(document: Document, launch: Launch) -> bool:
    """`CUDA_VISIBLE_DEVICES=0` before the command or exported earlier."""
    entry = document.entries.get(("env", "CUDA_VISIBLE_DEVICES"))
    before = entry is not None and entry.span.start < launch.command.span.end
    return before and entry is not None and str(entry.value).strip("\"' ").isdecimal()
