"""All checkpoints of a run, asked: the rows that `lora-doctor train` would have written while it trained.

A second diagnosis asks the new checkpoints only, and loads no model where there are none. The first asked is the last,
then the first, then those halfway between: when a budget ends it, what is known is spread over the run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from lora_doctor.adapter.read import AdapterError
from lora_doctor.probe.kept import Kept, Row
from lora_doctor.probe.loss import losses
from lora_doctor.probe.predict import Asked as Forward
from lora_doctor.probe.prompts import PromptProbe, response
from lora_doctor.probe.put import Put, put, take_off
from lora_doctor.probe.questions import Questions
from lora_doctor.runs.facts import Aside, Checkpoint, Gap, Run
from lora_doctor.train.cache import Store, Tensors, key
from lora_doctor.train.encode import PROMPTS, prepare_controls, prepare_images, prepare_prompts, sources_of
from lora_doctor.train.feed import Example, Examples, Feed
from lora_doctor.train.loading import load
from lora_doctor.train.monitors import STRENGTHS, asking_of, loss_row, moved, sized

Tell = Callable[[str, int, int], None]
STAGES = 4  # of one checkpoint: images trained on, others, prompts, strengths
RESPONSE = (0.95, 0.7, 0.4)  # sigmas at which the response to strength is asked
ASKING = "checkpoint with the base model"  # what progress is told of


class Found(NamedTuple):
    """What came: rows as in `monitors.jsonl`, files set aside, and what is not known. asked: checkpoints asked now."""

    rows: tuple[Row, ...] = ()
    aside: tuple[Aside, ...] = ()
    gaps: tuple[Gap, ...] = ()
    asked: int = 0


def ask(
    run: Run, questions: Questions, folder: Path, *, seconds: float | None = None, tell: Tell | None = None
) -> Found:
    """Ask every checkpoint that has a step.

    folder: where answers and encoded images are kept. seconds: the budget; the last checkpoint is asked all the same.

    Raises:
        SourceError: the model can't be loaded, or the cache not written.
    """
    end = None if seconds is None else time.monotonic() + seconds
    whole = questions.key()
    kept = Kept(folder / "asked", whole)
    dated = [each for each in run.checkpoints if each.step]
    todo = list(spread_out([each for each in dated if kept.get(each.path) is None]))
    aside: list[Aside] = []
    left = list(todo)
    if todo:
        model = _Model(questions, Store(folder), whole, tell)
        if kept.get(None) is None:
            kept.keep(None, model.base())
        left = _asked(run, model, kept, todo, end, aside, tell)
    rows = [row for each in dated for row in _at(each, kept.get(each.path))]
    gaps = (*questions.gaps, *_unasked(left, len(dated)))
    done = len(todo) - len(left) - len(aside)
    return Found((*(kept.get(None) or ()), *rows) if rows else (), tuple(aside), gaps, done)


def _asked(
    run: Run,
    model: _Model,
    kept: Kept,
    todo: Sequence[Checkpoint],
    end: float | None,
    aside: list[Aside],
    tell: Tell | None,
) -> list[Checkpoint]:
    """Ask in this order; the checkpoints that the budget left over."""
    longest = 0.0
    for place, each in enumerate(todo):
        begun = time.monotonic()
        if end is not None and place and begun + longest > end:
            return list(todo[place:])

        def stage(done: int, place: int = place) -> None:
            if tell is not None:
                tell(ASKING, place * STAGES + done, len(todo) * STAGES)

        try:
            kept.keep(each.path, model.ask(each, stage))
        except AdapterError as problem:
            aside.append(Aside(each.path.relative_to(run.folder).as_posix(), problem.sentence))
        longest = max(longest, time.monotonic() - begun)
    return []


def _at(checkpoint: Checkpoint, rows: Sequence[Row] | None) -> list[Row]:
    return [{**row, "step": checkpoint.step} for row in rows or ()]


def spread_out(checkpoints: Sequence[Checkpoint]) -> Iterator[Checkpoint]:
    """The last, the first, and then ever more of those between."""
    count, parts = len(checkpoints), 2
    places = [count - 1, 0]
    while len(set(places)) < count:
        places += [round(i * (count - 1) / parts) for i in range(parts + 1)]
        parts *= 2
    yield from (checkpoints[place] for place in dict.fromkeys(places) if 0 <= place < count)


def _unasked(left: Sequence[Checkpoint], whole: int) -> Iterator[Gap]:
    if left:
        steps = sorted(each.step for each in left if each.step)
        shown = ", ".join(f"{step:,}" for step in steps[:6]) + (f" and {len(steps) - 6} more" if len(steps) > 6 else "")
        yield Gap(
            f"{len(left)} of {whole} checkpoints with the base model (steps {shown})",
            "when something began, more exactly",
            "diagnose again: what was asked is kept, and the others are asked; or give a larger --budget",
        )


class _Asked(NamedTuple):
    """The images that are asked about, those trained on and the others."""

    train: list[Example]
    others: list[Example]

    @classmethod
    def of(cls, questions: Questions, feed: Feed) -> _Asked:
        """Encoded; without others, the same ones moved."""
        count = len(questions.train)
        train = [sized(each) for each in Examples(feed, range(count))]
        others = [sized(each) for each in Examples(feed, range(count, len(feed.items)))]
        return cls(train, others or [moved(each) for each in train])

    def said(self, texts: Mapping[str, Tensors]) -> _Asked:
        """The same with other encodings of their captions."""
        return _Asked([_said(each, texts) for each in self.train], [_said(each, texts) for each in self.others])


def _said(image: Example, texts: Mapping[str, Tensors]) -> Example:
    """With another encoding of its caption, control images as they are."""
    return image._replace(prompts={**image.prompts, **texts[image.caption]})


class _Model:
    """The base model, with one checkpoint after the other on it; what the base itself predicts is kept."""

    def __init__(self, questions: Questions, store: Store, whole: str, tell: Tell | None) -> None:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._questions, self._store = questions, store
        self._family, self._models = load(questions.job, device)
        self._feed = self._fed(tell)
        self._asked = _Asked.of(questions, self._feed)
        self._prompts = self._probe(self._asked, self._feed.prompt)
        self._key = key("base", questions=whole)
        self._put: Put | None = None

    def _fed(self, tell: Tell | None) -> Feed:
        """Images and prompts, encoded or from the cache."""
        questions = self._questions
        items = [*questions.train, *(questions.others if questions.other == "held_out" else ())]
        sources = sources_of(questions.job, self._family, self._models)
        keys = prepare_images(self._store, items, sources, workers=questions.job.memory.workers)
        controls = prepare_controls(self._store, items, sources)
        self._texts = list(dict.fromkeys([*(item.picture.caption for item in items), *questions.prompts.texts]))
        prepare_prompts(self._store, self._texts, sources)
        return Feed(items, sources, self._store, keys, True, controls)

    def _probe(self, asked: _Asked, encoded: Callable[[str], Tensors]) -> PromptProbe:
        return PromptProbe(asking_of(self._questions.prompts, encoded, asked.train[0]), asked.train[0])

    def _encode(self, texts: Sequence[str]) -> dict[str, Tensors]:
        """Texts as the encoders make them with what lies on them now."""
        found: dict[str, Tensors] = {}
        with self._feed.sources.near_prompts():
            for start in range(0, len(texts), PROMPTS):
                part = texts[start : start + PROMPTS]
                found |= dict(zip(part, self._feed.sources.prompts(part), strict=True))
        return found

    def base(self) -> list[Row]:
        """The base model's own losses."""
        take_off(self._models)
        self._put = None
        return [{"step": 0, "base": True, **row} for row in self._losses(self._asked, lambda _: None)]

    def ask(self, checkpoint: Checkpoint, stage: Callable[[int], None]) -> list[Row]:
        """A checkpoint's rows.

        Raises:
            AdapterError: it does not fit.
        """
        assert checkpoint.adapter is not None, "checkpoints without a header are set aside before"
        stage(0)
        try:
            self._put = put(self._family, self._models, checkpoint.adapter, self._put)
        except AdapterError:
            self._put = None
            raise
        self._remember()
        asked, probe = self._asked, self._prompts
        if self._put.encoders:
            texts = self._encode(self._texts)
            asked, probe = asked.said(texts), self._probe(asked.said(texts), texts.__getitem__)
            if self._prompts.base is not None:
                probe.remember(self._family, self._models, self._prompts.base)
        rows = self._losses(asked, stage)
        rows.append({"monitor": "prompts", **probe(self._family, self._models)._asdict()})
        stage(3)
        found = response(self._family, self._models, partial(self._forwards, bool(self._put.encoders)), STRENGTHS)
        stage(4)
        return [*rows, {"monitor": "strength", "response": found}, *self._left_out()]

    def _forwards(self, again: bool) -> list[Forward]:
        """What the response to strength is asked of; again: text encoders have a strength too."""
        image = self._asked.train[0]
        if again:
            image = _said(image, self._encode([image.caption]))
        return [Forward(image.latents, sigma, image.prompts, image.sizes, "strength") for sigma in RESPONSE]

    def _left_out(self) -> list[Row]:
        count = self._put.left_out if self._put is not None else 0
        text = f"{count} layers of text encoders are left out: prompts are read without them"
        return [{"monitor": "warning", "kind": "text_encoder", "text": text}] if count else []

    def _losses(self, asked: _Asked, stage: Callable[[int], None]) -> list[Row]:
        rows: list[Row] = []
        for name, images in (("train", asked.train), (self._questions.other, asked.others)):
            found = losses(self._family, self._models, images)
            rows.append({"monitor": "loss", "set": name, **loss_row(images, found)})
            stage(len(rows))
        return rows

    def _remember(self) -> None:
        """The base's answers to the prompts: asked once, then kept."""
        if self._prompts.base is not None:
            return
        known = self._store.get(self._key)
        if known is None or not self._prompts.remember(self._family, self._models, known["predicted"]):
            self._prompts.ask_base(self._family, self._models)
            base: Any = self._prompts.base
            self._store.put(self._key, {"predicted": base})
