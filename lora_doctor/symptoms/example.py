"""The ```` ```run ```` fences of rules: a run's signals as a small table, and the course they make.

trainer = "ai-toolkit"          the trainer whose words are used
family = "flux2-klein"          and purpose = "style"
steps = [0, 250, 500]
count = 16                      images, layers or rows behind each value
config = "..."                  the run's config, in the trainer's own syntax; `syntax = "toml"` where it is no YAML
[signals]
copied_share = [0, 0, 0.4]      a value for each step, or one for the last
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from lora_doctor.examples import SUFFIX
from lora_doctor.runs.config import plan_of
from lora_doctor.runs.facts import Run
from lora_doctor.symptoms.course import Course
from lora_doctor.symptoms.measure import reasons
from lora_doctor.symptoms.signals import Signal, specs

OWN = {"trainer", "family", "purpose", "steps", "count", "config", "syntax", "signals", "trained_prompts"}


def course_of(text: str, folder: Path) -> Course:
    """The course a fence describes; its config is written into `folder`.

    Raises:
        KeyError: it names a signal that does not exist, or a key that means nothing here.
    """
    values: dict[str, Any] = tomllib.loads(text)
    if unknown := values.keys() - OWN:
        raise KeyError(f"no such key: {', '.join(sorted(unknown))}")
    steps = tuple(values["steps"])
    signals = {name: _signal(name, steps, given, values.get("count", 16)) for name, given in values["signals"].items()}
    plan = None
    if "config" in values:
        path = folder / f"config.{SUFFIX[values.get('syntax', 'yaml')]}"
        path.write_text(values["config"], encoding="utf-8")
        plan = plan_of(path)
    run = Run(folder, values.get("trainer", plan.trainer if plan else ""), plan=plan)
    missing = {name: why for name, why in reasons(run).items() if name not in signals}
    return Course(
        run,
        values.get("family", plan.model.family if plan else None),
        values.get("purpose"),
        signals,
        missing,
        trained_prompts=values.get("trained_prompts"),
    )


def _signal(name: str, steps: tuple[int, ...], given: Any, count: int) -> Signal:
    specs()[name]
    values = tuple(float(value) for value in given) if isinstance(given, list) else (float(given),)
    at = steps[-len(values) :]
    return Signal(name, at, values, (count,) * len(values), None, "")
