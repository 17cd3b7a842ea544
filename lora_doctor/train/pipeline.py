"""A denoiser too large for one card, cut into consecutive stages: one process each, over torch.distributed.pipelining.

Every stage runs the denoiser's own forward. Before its first block it takes what the stage before hands over in place
of what it computed itself; blocks that are not its own hand on what they are given and keep no weights. What lies
around the blocks (embeddings, modulation, output) is small and there in every stage, and so is the adapter: each stage
has the gradients of what it used, and their sum is the gradient. Optimiser, average, clipping and checkpoints know
nothing of stages.

A micro-batch is one image, and those of a step that have one size go through together: up to so many stages compute at
the same time (1F1B; GPipe where there are fewer images than stages). Where nothing is trained, in monitors and sample
images, all processes call the denoiser together, and all get the answer.

A UNet can't be cut so: what its first blocks make goes to its last ones, past all between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.distributed.pipelining import PipelineStage, Schedule1F1B, ScheduleGPipe

from lora_doctor.train.cut import cut
from lora_doctor.train.families import Family, Models
from lora_doctor.train.question import Forward, Question, answered, ask, costing, each
from lora_doctor.train.storage import blocks_of

TWO_STREAMS = "Flux2TransformerBlock"  # takes image and text, gives text and image
KEPT = 8  # schedules with their buffers, one for each shape of what goes through


class Place(NamedTuple):
    """Which stage of how many a process is, in which group, whose processes have these global numbers."""

    stage: int
    stages: int
    group: Any
    ranks: tuple[int, ...]

    @property
    def last(self) -> bool:
        """Whether the prediction comes out here."""
        return self.stage == self.stages - 1


def placed(stages: int, rank: int, processes: int) -> Place:
    """A process' place: consecutive processes are the stages of one copy of the model. Every process must call it."""
    copies = [tuple(range(first, first + stages)) for first in range(0, processes, stages)]
    groups = [torch.distributed.new_group(list(ranks)) for ranks in copies]
    own = rank // stages
    return Place(rank % stages, stages, groups[own], copies[own])


Scale = Callable[[Tensor], Tensor]


class _Step(NamedTuple):
    """What a step asks, image by image."""

    family: Any
    images: Sequence[Question]
    scale: Scale


class Line:
    """The denoiser of one copy of the model, as one of its stages computes it."""

    def __init__(self, models: Models, place: Place) -> None:
        """The denoiser's weights are still in main memory; afterwards, this stage's are on the device."""
        self.models, self.place = models, place
        self._part = _Part(models.denoiser, place, models.device)
        self._schedules: dict[Any, Any] = {}
        self._step = _Step(None, (), lambda loss: loss)
        self._errors = torch.empty(0)
        self._given: Mapping[str, Any] | None = None  # what the denoiser was asked, where that alone is wanted
        self._answer: Tensor | None = None
        models.denoiser.forward = self.forward

    def forward(self, hidden_states: Tensor, **inputs: Any) -> tuple[Tensor]:
        """In place of the denoiser's own: every process of the copy calls it with the same."""
        if self._answer is not None:
            return (self._answer,)
        if self._given is not None:
            self._given = {"hidden_states": hidden_states, **inputs}
            return (torch.empty_like(hidden_states),)
        return (self._inferred(hidden_states, inputs),)

    @torch.no_grad()
    def _inferred(self, hidden_states: Tensor, inputs: Mapping[str, Any]) -> Tensor:
        given = {"hidden_states": hidden_states, **inputs}
        schedule = self._schedule(given, 1, trains=False)
        made = schedule.eval(*self._first(given), **given)
        answer = made.contiguous() if self.place.last else torch.empty_like(hidden_states)
        torch.distributed.broadcast(answer, self.place.ranks[-1], self.place.group)
        return answer

    def _first(self, given: Mapping[str, Any]) -> tuple[Tensor, ...]:
        """What the library wants as the first stage's input; the denoiser takes its by name."""
        return () if self.place.stage else (given["hidden_states"],)

    def step(self, family: Family, questions: Sequence[Question], scale: Scale) -> list[Forward]:
        """Forward and backward of a step's questions; `scale(loss)` is what gradients are taken of."""
        owners = [place for place, question in enumerate(questions) for _ in question.levels]
        self._step = _Step(family, [image for question in questions for image in each(question)], scale)
        asked = [self._asked(family, image) for image in self._step.images]
        alike: dict[Any, list[int]] = {}
        for number, given in enumerate(asked):
            alike.setdefault(_shapes(given), []).append(number)
        self._errors = torch.zeros(len(owners), device=self.models.device)
        for numbers in alike.values():
            self._trained([asked[number] for number in numbers], numbers)
        torch.distributed.broadcast(self._errors, self.place.ranks[-1], self.place.group)
        own = [self._errors[[n for n, owner in enumerate(owners) if owner == nth]] for nth in range(len(questions))]
        return [costing(question, errors) for question, errors in zip(questions, own)]

    def _trained(self, asked: Sequence[Mapping[str, Any]], numbers: Sequence[int]) -> None:
        """Images of one size, through all stages and back."""
        given = {
            name: torch.cat([one[name] for one in asked]) if isinstance(value, Tensor) else value
            for name, value in asked[0].items()
        }
        target = torch.tensor(numbers, device=self.models.device)
        schedule = self._schedule(asked[0], len(asked), trains=True)
        schedule.step(*self._first(given), target=target, return_outputs=False, **given)

    def _cost(self, answer: Tensor, number: Tensor) -> Tensor:
        """What the answer to one image's question costs; the last stage asks."""
        nth, (family, images, scale) = int(number), self._step
        found = self._answered(family, images[nth], answer)
        self._errors[nth] = found.errors.detach()[0]
        return scale(found.loss)

    def _asked(self, family: Family, question: Question) -> Mapping[str, Any]:
        """What the family gives the denoiser for a question."""
        self._given = {}
        try:
            with torch.no_grad():
                ask(family, self.models, question)
            return self._given
        finally:
            self._given = None

    def _answered(self, family: Family, question: Question, answer: Tensor) -> Forward:
        """What the family makes of the denoiser's answer, and what that costs."""
        self._answer = answer
        try:
            return answered(question, ask(family, self.models, question))
        finally:
            self._answer = None

    def _schedule(self, given: Mapping[str, Any], count: int, *, trains: bool) -> Any:
        """The library's schedule for inputs of these shapes: it notes them down, with buffers, at its first step."""
        key = (_shapes(given), count, trains)
        found = self._schedules.pop(key, None)
        if found is None:
            place = self.place
            stage = PipelineStage(self._part, place.stage, place.stages, self.models.device, group=place.group)
            kind = Schedule1F1B if trains and count >= place.stages else ScheduleGPipe
            found = kind(stage, count, loss_fn=self._cost if trains else None, scale_grads=False)
        self._schedules[key] = found
        if len(self._schedules) > KEPT:
            del self._schedules[next(iter(self._schedules))]  # the one that was used longest ago, in every process
        return found


def _shapes(given: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple((name, value.shape, value.dtype) for name, value in given.items() if isinstance(value, Tensor))


class _Part(nn.Module):
    """One stage: what is handed over becomes what this stage hands on, or, in the last one, the prediction."""

    def __init__(self, denoiser: nn.Module, place: Place, device: torch.device) -> None:
        super().__init__()
        blocks = blocks_of(denoiser)
        firsts = (*cut(tuple(map(_weights, blocks)), place.stages), len(blocks))
        begin, end = firsts[place.stage], firsts[place.stage + 1]
        for block in (*blocks[:begin], *blocks[end:]):
            _empty(block)
            block.forward = _handing_on(block)
        if begin:
            blocks[begin - 1].forward = lambda *_, **__: self._whole(self.handed)
        blocks[end - 1].register_forward_hook(self._reach)
        denoiser.to(device)
        self.compute, self.last = denoiser.forward, place.last
        self.handed: tuple[Tensor, ...] = ()
        self.reached: tuple[Tensor, ...] = ()
        self._looking = False

    def forward(self, *handed: Tensor, **inputs: Any) -> Any:
        """The denoiser's own forward, with what the stage before made in place of what it computes before."""
        self.handed, self._looking = handed, True
        try:
            answer = self.compute(**inputs)[0]
            return answer if self.last else self.reached
        finally:
            self.handed, self.reached, self._looking = (), (), False

    def _reach(self, block: nn.Module, args: Any, output: Any) -> None:
        if self._looking:  # and not where the block is computed again for its gradients
            self.reached = output if isinstance(output, tuple) else (output,)

    @staticmethod
    def _whole(handed: tuple[Tensor, ...]) -> Any:
        return handed if len(handed) > 1 else handed[0]


def _handing_on(block: nn.Module) -> Any:
    if type(block).__name__ == TWO_STREAMS:
        return lambda hidden_states, encoder_hidden_states, *_, **__: (encoder_hidden_states, hidden_states)
    return lambda hidden_states, *_, **__: hidden_states


def _frozen(block: nn.Module) -> Iterator[Tensor]:
    yield from (parameter for parameter in block.parameters() if not parameter.requires_grad)
    yield from block.buffers()


def _weights(block: nn.Module) -> int:
    return sum(each.numel() for each in _frozen(block))


def _empty(block: nn.Module) -> None:
    """Give back what a block of another stage holds; its adapter stays."""
    for tensor in _frozen(block):
        tensor.data = tensor.data.new_empty(0)
