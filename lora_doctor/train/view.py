"""The live view's watcher: how fast, how long still, at which rate."""

from __future__ import annotations

from lora_doctor.train.live import Live, Shown
from lora_doctor.train.memory import used
from lora_doctor.train.monitors import Monitors
from lora_doctor.train.watch import Halt, State

RECENT = 20  # steps whose median time is shown


class View:
    """Shows every step on a `Live`."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._times: list[float] = []
        self._shown: Shown | None = None
        self.monitors: Monitors | None = None  # where there are measurements

    def begin(self, state: State) -> None:
        """Nothing to show yet but where it stands."""
        self._shown = self._measured(Shown(state.step, state.steps))

    def _measured(self, shown: Shown) -> Shown:
        if self.monitors is None:
            return shown
        now = self.monitors.standing
        return shown._replace(loss=now.loss, held_out=now.held_out, best=now.best, gap=now.gap, warning=now.warning)

    def doing(self, what: str) -> None:
        """Show what is done instead of training; an empty text when it is over."""
        if self._shown is not None and self._live.terminal:
            self._shown = self._measured(self._shown)._replace(doing=what)
            self._live.show(self._shown, now=True)

    def step(self, state: State) -> Halt | None:
        """Show this step; never ends the run."""
        self._times = [*self._times[-RECENT + 1 :], state.metrics["seconds"]]
        seconds = sorted(self._times)[len(self._times) // 2]
        self._shown = Shown(
            state.step,
            state.steps,
            seconds_left=seconds * (state.steps - state.step),
            rate=state.metrics["learning_rate"],
            gradient=state.metrics["gradient_norm"],
            seconds=seconds,
            images=state.job.images_per_step / seconds if seconds else None,
            memory=used(state.device),
        )
        self._shown = self._measured(self._shown)
        self._live.show(self._shown)
        return None

    def saved(self, state: State) -> None:
        """Nothing to show."""

    def end(self, state: State, reason: str) -> None:
        """The last state stays; who made the `Live` closes it, as others still have something to say."""
        if self._shown is not None:
            self._live.show(self._measured(self._shown), now=True)
