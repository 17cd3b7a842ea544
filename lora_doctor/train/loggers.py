"""TensorBoard and Weights & Biases beside the run folder's own files, through accelerate's trackers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lora_doctor.train.folder import read_rows
from lora_doctor.train.job import Job
from lora_doctor.train.watch import Halt, State

METRICS = ("loss", "learning_rate", "gradient_norm")


class Loggers:
    """Hands every step's metrics on to the loggers that a job asks for and that are installed."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._trackers: list[Any] = []
        self._known: dict[Path, tuple[int, int]] = {}  # of a file: bytes and rows when it was last looked at

    def begin(self, state: State) -> None:
        """Open them; what is asked for and missing is told."""
        self._trackers = [tracker for tracker in (_tensorboard(state), _wandb(state.job, self._say)) if tracker]
        for tracker in self._trackers:
            tracker.start()
        if state.step > 0:  # rows of an earlier part of the run were handed on then
            self._new(state.folder.monitors)
            self._new(state.folder.samples)
        self._look(state)

    def step(self, state: State) -> Halt | None:
        """Hand a step's metrics on; never ends the run."""
        values = {f"train/{name}": state.metrics[name] for name in METRICS}
        for tracker in self._trackers:
            tracker.log(values, step=state.step)
        self._look(state)
        return None

    def saved(self, state: State) -> None:
        """Nothing to hand on."""

    def end(self, state: State, reason: str) -> None:
        """Hand on what is left, and close them."""
        self._look(state)
        for tracker in self._trackers:
            tracker.finish()

    def _look(self, state: State) -> None:
        """Measurements and sample images that are new."""
        if not self._trackers:
            return
        rows = [(row, dict(_scalars(row))) for row in self._new(state.folder.monitors)]
        pictures = self._new(state.folder.samples)
        for tracker in self._trackers:
            for row, values in rows:
                tracker.log(values, step=int(row["step"]))
            shape = {"dataformats": "NHWC"} if tracker.name == "tensorboard" else {}
            for row in pictures:
                tracker.log_images(_picture(state.folder.root, row), step=int(row["step"]), **shape)

    def _new(self, path: Path) -> list[dict[str, Any]]:
        """Rows behind those that are known; a file that has not grown is not read."""
        size = path.stat().st_size if path.exists() else 0
        known = self._known.get(path, (0, 0))
        if size == known[0]:
            return []
        rows = read_rows(path)
        self._known[path] = size, len(rows)
        return rows[known[1] :]


def _scalars(row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in row.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool) and name != "step":
            yield f"{row['monitor']}/{name}", float(value)


def _picture(root: Path, row: Mapping[str, Any]) -> dict[str, Any]:
    """One image under the name of its slot, so that a slider runs through the steps: `[1, height, width, 3]`."""
    import numpy as np
    from PIL import Image

    tail = "" if row["strength"] == 1.0 else f"-strength-{row['strength']:g}"
    with Image.open(root / row["file"]) as image:
        return {f"samples/{row['slot']}-{row['seed']}{tail}": np.asarray(image.convert("RGB"))[None]}


def _tensorboard(state: State) -> Any:
    """Events in the run folder's `tensorboard`; the default, so silent where the package is missing."""
    if not state.job.logging.tensorboard or find_spec("tensorboard") is None:
        return None
    from accelerate.tracking import TensorBoardTracker

    try:
        return TensorBoardTracker("tensorboard", logging_dir=str(state.folder.root))
    except ImportError:  # the package is there, what it needs is not
        return None


def _wandb(job: Job, say: Callable[[str], None]) -> Any:
    if not job.logging.wandb:
        return None
    if find_spec("wandb") is None:
        say("logging.wandb: wandb is not installed, so nothing is sent to it: pip install wandb")
        return None
    from accelerate.tracking import WandBTracker

    return WandBTracker(job.logging.project)
