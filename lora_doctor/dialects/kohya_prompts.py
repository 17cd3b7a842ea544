"""Sample prompts in kohya's format: one prompt a line with `--w 1024 --h 1024 --s 30 --g 4 --d 42` behind it.

Read alike by sd-scripts (library/train_util.py) and musubi-tuner (training/sampling_prompts.py); `.toml` and `.json`
files hold the same under longer names.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

MAX_BYTES = 1_000_000
_FLAGS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "w": ("width", int),
    "h": ("height", int),
    "d": ("seed", int),
    "s": ("sample_steps", int),
    "l": ("cfg_scale", float),
    "g": ("guidance_scale", float),
    "n": ("negative_prompt", str),
    "fs": ("discrete_flow_shift", float),
    "f": ("frame_count", int),
}
_FLAG = re.compile(r"^(\w+) (.+)$", re.S)


def read_prompts(path: Path) -> list[dict[str, Any]] | None:
    """The prompts of a file, each with the settings written for it; None where it can't be read."""
    try:
        text = path.read_text(encoding="utf-8") if path.stat().st_size < MAX_BYTES else ""
        if path.suffix == ".toml":
            return _subsets(tomllib.loads(text))
        if path.suffix == ".json":
            found = json.loads(text)
            return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else None
    except (OSError, ValueError, RecursionError):
        return None
    lines = (line.strip() for line in text.splitlines())
    return [parse_line(line) for line in lines if line and not line.startswith("#")]


def _subsets(data: dict[str, Any]) -> list[dict[str, Any]] | None:
    prompt = data.get("prompt")
    if not isinstance(prompt, dict) or not isinstance(prompt.get("subset"), list):
        return None
    common = {key: value for key, value in prompt.items() if key != "subset"}
    return [common | subset for subset in prompt["subset"] if isinstance(subset, dict)]


def parse_line(line: str) -> dict[str, Any]:
    """One line: the prompt, and what its flags set. A flag that is not understood is dropped, as in the trainers."""
    text, *rest = line.split(" --")
    found: dict[str, Any] = {"prompt": text}
    for part in rest:
        match = _FLAG.match(part.strip())
        known = _FLAGS.get(match[1].lower()) if match else None
        if match and known:
            number = re.match(r"[\d.]+", match[2])
            value = match[2] if known[1] is str else number[0] if number else ""
            try:
                found[known[0]] = known[1](value)
            except ValueError:
                continue
    return found
