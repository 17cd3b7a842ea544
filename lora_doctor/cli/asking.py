"""The second tier of `lora-doctor diagnose`: the base model is asked about each checkpoint."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lora_doctor.runs.facts import Run
from lora_doctor.source.document import SourceError

EXTRA = ("torch", "diffusers", "peft", "transformers", "accelerate", "safetensors")
Tell = Callable[[str, int, int], None]


def ask(
    run: Run, base: str, *, held_out: str | None, minutes: float | None, keep: bool, tell: Tell | None
) -> tuple[Run, Sequence[dict[str, Any]]]:
    """The run with what could not be asked, and the rows that came.

    Raises:
        SourceError: a package, the model or the images are missing.
    """
    lacking = [name for name in EXTRA if find_spec(name) is None]
    if lacking:
        raise SourceError(f"asking the base model needs {', '.join(lacking)}: pip install 'lora-doctor[data,train]'")
    if not any(each.step for each in run.checkpoints):
        raise SourceError("there is no checkpoint of a known step to ask the base model about")
    import tempfile

    from lora_doctor.dataset.cache import cache_path
    from lora_doctor.probe import asked
    from lora_doctor.probe.questions import questions_of
    from lora_doctor.train.loading import quieten

    quieten()
    with tempfile.TemporaryDirectory() as passing:
        folder = cache_path().parent / "probe" if keep else Path(passing)
        images = None if keep else Path(os.devnull) / "none"
        given = (Path(each) if each else None for each in (base, held_out))
        questions = questions_of(run, *given, cache=images)
        seconds = None if minutes is None else 60 * minutes
        found = asked.ask(run, questions, folder, seconds=seconds, tell=tell)
    return run._replace(aside=(*run.aside, *found.aside), gaps=(*run.gaps, *found.gaps)), found.rows
