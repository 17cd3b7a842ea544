"""The training loop: fetch, forward, backward, clip, step, watch, save."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from accelerate import Accelerator

from lora_doctor import __version__
from lora_doctor.train import checkpoints, exports, keeping, optimizers, schedules
from lora_doctor.train.checkpoints import Resumable
from lora_doctor.train.ema import Average, averaged
from lora_doctor.train.families import Family, Models
from lora_doctor.train.feed import Loaded, Prepared
from lora_doctor.train.folder import RunFolder, append_row
from lora_doctor.train.interrupt import Interrupt
from lora_doctor.train.job import Job
from lora_doctor.train.question import Forward, Question, answered, ask
from lora_doctor.train.seeds import seed_batch, seed_of
from lora_doctor.train.trouble import NotFiniteError
from lora_doctor.train.watch import Halt, State, Watchers

if TYPE_CHECKING:
    from lora_doctor.train.pipeline import Line


class Run(NamedTuple):
    """Everything a loop needs, made by `lora_doctor.train.start`. `start`: optimiser steps that are done already."""

    job: Job
    folder: RunFolder
    family: Family
    models: Models
    weights: Mapping[str, torch.nn.Parameter]
    data: Prepared
    optimizer: Any
    average: Average | None
    accelerator: Accelerator
    watchers: Watchers
    interrupt: Interrupt
    start: int = 0
    say: Callable[[str], None] = print
    line: Line | None = None  # where this process is a stage of the model

    @property
    def copy(self) -> int:
        """Which copy of the model this process belongs to."""
        return int(self.accelerator.process_index) // self.job.memory.pipeline_stages


class End(NamedTuple):
    """How a run ended: `status` is one of `folder.STATUSES`, `reason` a sentence."""

    status: str
    reason: str
    step: int


def loop(run: Run) -> End:
    """Train from `run.start` to the job's last step, or until somebody says stop."""
    job, accelerator, weights = run.job, run.accelerator, run.weights
    run.watchers.begin(_state(run, run.start, {}))
    for step in range(run.start + 1, job.training.steps + 1):
        begun = time.perf_counter()
        rate = schedules.factor(job.schedule, step - 1, job.training.steps, job.optimizer.learning_rate)
        optimizers.set_rate(run.optimizer, rate)
        seed_batch(job.training.seed, step, -1 - accelerator.process_index)  # for text encoders that are trained
        batches = run.data.steps(step - 1)  # fetch
        # forward, backward
        parts = backward(run, step, batches) if run.line is None else in_stages(run, run.line, step, batches)
        norm = _clipped(run, weights)  # clip
        metrics = _measured(run, parts, norm, begun)
        run.optimizer.step()  # step
        run.optimizer.zero_grad(set_to_none=True)
        if job.optimizer.max_norm is not None:
            optimizers.limit_norm(optimizers.factors(run.models), job.optimizer.max_norm)
        if run.average is not None:
            run.average.update(weights, step)
        if accelerator.is_main_process:
            place = {"step": step, "epoch": round(run.data.steps.epoch(step), 4), **run.data.steps.told(step - 1)}
            append_row(run.folder.log, place | metrics)
        state = _state(run, step, metrics)
        halt = run.watchers.step(state)  # watch
        ending = _agreed(run, state, halt)
        if ending or step % job.saving.every_steps == 0:
            save(run, step)  # save
            run.watchers.saved(state)
        if ending:
            return _end(run, state, ending, halt)
    return End("finished", "it had reached its last step before", run.start)


def backward(run: Run, step: int, batches: Sequence[Loaded]) -> list[Forward]:
    """Forward and backward of a step's batches, one graph at a time."""
    parts, (seed, share) = [], (run.job.training.seed, run.job.training.accumulation)
    for part, batch in enumerate(batches):
        number = part * run.job.copies + run.copy  # of the step's batches
        seed_batch(seed, step, number)
        question = asked(run, batch, seed_of(seed, step, 0, number))
        found = forward(run, question)
        run.accelerator.backward(found.loss / share)
        for other in kept(run, batch, question):
            run.accelerator.backward(forward(run, other).loss / share)
        parts.append(Forward(*(each.detach() for each in found)))
    return parts


def forward(run: Run, question: Question) -> Forward:
    """The denoiser's answer, and what it costs."""
    return answered(question, ask(run.family, run.models, question))


def in_stages(run: Run, line: Line, step: int, batches: Sequence[Loaded]) -> list[Forward]:
    """The same where each process is a stage: all images of the step are on their way at once."""
    seed, scaler = run.job.training.seed, run.accelerator.scaler
    numbers = [part * run.job.copies + run.copy for part in range(len(batches))]
    questions = [asked(run, batch, seed_of(seed, step, 0, number)) for batch, number in zip(batches, numbers)]
    others = [other for pair in zip(batches, questions) for other in kept(run, *pair)]
    seed_batch(seed, step, run.accelerator.process_index)  # every stage draws its own dropout

    def share(loss: torch.Tensor) -> torch.Tensor:
        loss = loss / run.job.training.accumulation
        return loss if scaler is None else scaler.scale(loss)

    return line.step(run.family, [*questions, *others], share)[: len(batches)]


def asked(run: Run, batch: Loaded, seed: int) -> Question:
    """One batch with noise, and what should be predicted of it."""
    family, models, device = run.family, run.models, run.accelerator.device
    generator = torch.Generator(device).manual_seed(seed)
    latents = batch.latents.to(device)
    noise = torch.randn(latents.shape, generator=generator, device=device)
    levels = family.draw_levels(models, run.job.timesteps, latents.shape, generator)
    return Question(
        family.noisy(models, latents, noise, levels),
        levels,
        {name: value.to(device) for name, value in batch.prompts.items()},
        batch.sizes.to(device),
        family.target(models, latents, noise, levels),
        family.loss_weight(models, levels, run.job.timesteps),
        None if batch.mask is None else batch.mask.to(device),
        batch.weight,
    )


def kept(run: Run, batch: Loaded, question: Question) -> Iterator[Question]:
    """What the base says to other prompts on the same noisy images."""
    for share, prompts in batch.others:
        moved = {name: value.to(run.accelerator.device) for name, value in prompts.items()}
        yield keeping.kept(run.family, run.models, question, moved, share * batch.weight)


def _clipped(run: Run, weights: Any) -> torch.Tensor:
    """Average the gradients over the copies of the model, clip them; returns their norm before clipping."""
    parameters = list(weights.values())
    if run.accelerator.num_processes > 1:  # adapters are small: one flat reduction, and families need no wrapper
        _reduce(run, parameters)
    limit = run.job.optimizer.gradient_clip or float("inf")
    run.accelerator.unscale_gradients()
    norm: torch.Tensor = torch.nn.utils.clip_grad_norm_(parameters, limit)
    return norm


def _reduce(run: Run, parameters: Sequence[torch.nn.Parameter]) -> None:
    """Each copy has the gradients of its images, each of its stages those of what it used; all get the mean."""
    graded = [p for p in parameters if p.grad is not None]  # the same ones in every process, where it is no stage
    if run.line is not None:
        there = torch.tensor([p.grad is not None for p in parameters], device=run.accelerator.device).float()
        graded = [p for p, count in zip(parameters, run.accelerator.reduce(there, "sum").tolist()) if count]
    found = [torch.zeros_like(p) if p.grad is None else p.grad for p in graded]
    total = run.accelerator.reduce(torch.cat([each.flatten() for each in found]), "sum") / run.job.copies
    for parameter, part in zip(graded, total.split([p.numel() for p in graded])):
        parameter.grad = part.view_as(parameter)


def _agreed(run: Run, state: State, halt: Halt | None) -> str | None:
    """How the run ends now, as one of `folder.STATUSES`: what any process wants, all do; None where it goes on."""
    wish = 3 if halt is not None else 2 if state.last else int(run.interrupt.asked)
    if run.accelerator.num_processes > 1:
        wish = int(run.accelerator.gather(torch.tensor([wish], device=run.accelerator.device)).max())
    return (None, "interrupted", "finished", "stopped")[wish]


def _measured(run: Run, parts: Sequence[Forward], norm: torch.Tensor, begun: float) -> dict[str, Any]:
    """The step's metrics; levels and errors are those of this process' images.

    Raises:
        NotFiniteError: the loss is no number (or the gradient, where no loss scaler is there to skip the step).
    """
    loss = torch.stack([part.loss for part in parts]).mean()
    own = [torch.cat([getattr(part, name).to(loss) for part in parts]) for name in ("levels", "errors")]
    both = torch.stack([_mean(run, loss), norm.to(loss)])
    value, length, *each = torch.cat([both, *own]).tolist()  # one wait for the device
    rate = optimizers.effective_rate(run.optimizer)
    finite = value == value and abs(value) != float("inf")
    if not finite or (run.accelerator.scaler is None and not length < float("inf")):
        what = f"the loss is {value}" if not finite else f"the gradient's norm is {length}"
        if run.job.stop.on_nan:
            raise NotFiniteError(what)
        run.optimizer.zero_grad(set_to_none=True)  # without gradients the optimiser leaves everything as it is
    seconds = time.perf_counter() - begun
    half = len(each) // 2
    return {
        "loss": value,
        "learning_rate": rate,
        "gradient_norm": length,
        "clipped": 0 < run.job.optimizer.gradient_clip < length,
        "seconds": round(seconds, 4),
        "levels": [round(level, 5) for level in each[:half]],
        "errors": [float(f"{error:.5g}") for error in each[half:]],
    }


def _mean(run: Run, loss: torch.Tensor) -> torch.Tensor:
    """Over the copies of the model; stages of one have the same loss."""
    mean: torch.Tensor = run.accelerator.reduce(loss, "mean") if run.job.copies > 1 else loss
    return mean


def save(run: Run, step: int) -> None:
    """Write the checkpoint of this step (the first process does), then prune as far as the user asked for it."""
    if run.accelerator.is_main_process:
        checkpoints.save(run.folder, step, resumable(run, step), partial(publish, run, step))
        checkpoints.prune(run.folder, run.job.saving.keep)
    run.accelerator.wait_for_everyone()


def publish(run: Run, step: int, folder: Path) -> None:
    """Write the LoRA files of a checkpoint."""
    with averaged(run.weights, run.average, raw(run.optimizer)):
        notes = exports.save(run.family, run.models, run.job, folder, {"step": str(step), "lora-doctor": __version__})
    for note in notes if step <= run.job.saving.every_steps else ():
        run.say(note)


def raw(optimizer: Any) -> Any:
    """The optimiser inside accelerate's wrapper."""
    return getattr(optimizer, "optimizer", optimizer)


def resumable(run: Run, step: int) -> Resumable:
    """What a checkpoint holds of a run after `step` optimiser steps."""
    steps, scaler = run.data.steps, run.accelerator.scaler
    place, starts = steps.place(step), getattr(steps, "starts", None)
    return Resumable(run.weights, raw(run.optimizer), run.average, scaler, place, steps.taken, starts)


def _state(run: Run, step: int, metrics: Mapping[str, Any]) -> State:
    return State(
        run.job,
        run.folder,
        run.family,
        run.models,
        step,
        run.job.training.steps,
        metrics,
        run.data.items,
        run.data.held_out,
        run.accelerator.device,
        partial(averaged, run.weights, run.average, raw(run.optimizer)),
        step > 0 and run.data.steps.growing(step - 1),
    )


def _end(run: Run, state: State, status: str, halt: Halt | None) -> End:
    reasons = {
        "stopped": halt.reason if halt is not None else "another process knows why",
        "finished": "all steps are done",
        "interrupted": f"interrupted after step {state.step}, whose checkpoint is saved",
    }
    end = End(status, reasons[status], state.step)
    run.watchers.end(state, end.reason)
    return end
