"""TensorBoard and Weights & Biases beside the run folder's own files, through accelerate's trackers."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from lora_doctor.train.job import Job
from lora_doctor.train.watch import Halt, State

METRICS = ("loss", "learning_rate", "gradient_norm")


class Loggers:
    """Hands every step's metrics on to the loggers that a job asks for and that are installed."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._trackers: list[Any] = []

    def begin(self, state: State) -> None:
        """Open them; what is asked for and missing is told."""
        self._trackers = [tracker for tracker in (_tensorboard(state), _wandb(state.job, self._say)) if tracker]
        for tracker in self._trackers:
            tracker.start()

    def step(self, state: State) -> Halt | None:
        """Hand a step's metrics on; never ends the run."""
        values = {f"train/{name}": state.metrics[name] for name in METRICS}
        for tracker in self._trackers:
            tracker.log(values, step=state.step)
        return None

    def saved(self, state: State) -> None:
        """Nothing to hand on."""

    def end(self, state: State, reason: str) -> None:
        """Close them."""
        for tracker in self._trackers:
            tracker.finish()


def _tensorboard(state: State) -> Any:
    """Events in the run folder's `tensorboard`; the default, so silent where the package is missing."""
    if not state.job.logging.tensorboard or find_spec("tensorboard") is None:
        return None
    from accelerate.tracking import TensorBoardTracker

    return TensorBoardTracker("tensorboard", logging_dir=str(state.folder.root))


def _wandb(job: Job, say: Callable[[str], None]) -> Any:
    if not job.logging.wandb:
        return None
    if find_spec("wandb") is None:
        say("logging.wandb: wandb is not installed, so nothing is sent to it: pip install wandb")
        return None
    from accelerate.tracking import WandBTracker

    return WandBTracker(job.logging.project)
