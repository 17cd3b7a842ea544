"""Sample images: the same prompts and seeds at every look, from the base model on; strengths at the end.

    samples/step-000250/novel-0-1.png                  slot `novel-0`, second seed
    samples/step-000250/novel-0-0-strength-0.6.png     of the sweep at the end
    samples/control/novel-0-0.png                      the first control image of `novel-0`, as drawn with

What an image shows was drawn from stands in `samples.jsonl` and in the PNG itself (text chunks).
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL.Image import Image
from PIL.PngImagePlugin import PngInfo

from lora_doctor.source.document import SourceError
from lora_doctor.train.adapters import strength
from lora_doctor.train.aside import aside
from lora_doctor.train.control import seen
from lora_doctor.train.edits import Shown, edits
from lora_doctor.train.families import Recommended, micro_of
from lora_doctor.train.folder import append_row, read_rows
from lora_doctor.train.images import Item, content
from lora_doctor.train.prompts import Slot, matrix
from lora_doctor.train.trouble import lacks_memory
from lora_doctor.train.watch import Halt, State
from lora_doctor.write import write_beside

SEEDS = 2  # images per prompt: enough to tell a prompt's habit from a seed's luck
PIXELS = 1024 * 1024  # of one batch
MOST = 16  # images of one batch
SWEPT = ("novel", "training", "user")  # kinds of prompts that the sweep draws
FLAT = 2.0  # standard deviation, levels of 255, below which an image shows nothing


class Wish(NamedTuple):
    """One image to draw."""

    slot: Slot
    nth: int
    seed: int
    strength: float = 1.0
    item: Item | None = None  # of an edit, whose control images it is drawn with

    @property
    def file(self) -> str:
        """Its name in the step's folder."""
        tail = "" if self.strength == 1.0 else f"-strength-{self.strength:g}"
        return f"{self.slot.name}-{self.nth}{tail}.png"


class Samples:
    """Draws the matrix before the first step, every so many steps and at the end; what lacks memory is given up."""

    def __init__(self, say: Callable[[str], None], doing: Callable[[str], None] = lambda _: None) -> None:
        """`say` gets sentences that stay, `doing` what is being done, and an empty text when it is over."""
        self._say, self._doing = say, doing
        self._slots: list[Shown] = []
        self._off = False

    def begin(self, state: State) -> None:
        """The base model's images; of a LoRA that is trained further, its own too."""
        job = state.job
        self._slots = _slots(state)
        if state.step == 0:
            if job.adapter.start_from is not None:
                self._draw(state, [wish._replace(strength=0.0) for wish in self._wishes(state)])
            self._draw(state, self._wishes(state))

    def step(self, state: State) -> Halt | None:
        """The matrix, where it is time."""
        every = state.job.validation.every_steps
        if every and state.step % every == 0 and not state.last:
            self._draw(state, self._wishes(state))
        return None

    def saved(self, state: State) -> None:
        """Nothing to do."""

    def end(self, state: State, reason: str) -> None:
        """The matrix once more, and what other strengths make of it."""
        if state.step == 0:
            return
        self._draw(state, self._wishes(state))
        self.sweep(state)

    def sweep(self, state: State) -> None:
        """What other strengths make of it, at the first seed."""
        strengths = [each for each in state.job.validation.strengths if each != 1.0]
        swept = [wish for wish in self._wishes(state) if wish.nth == 0 and wish.slot.kind in SWEPT]
        self._draw(state, [wish._replace(strength=each) for each in strengths for wish in swept])

    def _wishes(self, state: State) -> list[Wish]:
        seed = state.job.validation.seed
        return [Wish(slot, nth, seed + nth, item=item) for slot, item in self._slots for nth in range(SEEDS)]

    def _draw(self, state: State, wishes: Sequence[Wish]) -> None:
        """What is not there yet; a disk that is full or a lack of memory ends the samples, not the run."""
        if self._off:
            return
        there = {row.get("file") for row in read_rows(state.folder.samples)}
        folder = state.folder.sample_folder(state.step)
        missing = [w for w in wishes if (folder / w.file).relative_to(state.folder.root).as_posix() not in there]
        try:
            with aside(state):
                for done, part in _batches(missing, lambda wish: _size(state, wish)):
                    self._doing(f"drawing {len(missing)} sample images, {done} done")
                    _keep(state, part, _images(state, part))
        except (RuntimeError, MemoryError) as error:
            if not lacks_memory(error) or state.job.parted:  # the others would wait for this process
                raise
            self._off = True
            self._say("no more sample images: out of memory; `validation.size` makes them smaller; training goes on")
        except (OSError, SourceError) as error:
            if state.job.parted:
                raise
            self._off = True
            self._say(f"no more sample images: {error}; training goes on")
        finally:
            self._doing("")


def _slots(state: State) -> list[Shown]:
    """The prompts, and of an edit the pairs whose control images they are drawn with."""
    job, said = state.job, micro_of(state.job.model.path)
    captions = getattr(state.items, "captions", [])
    if job.edits:
        trained, held_out = (getattr(each, "shown", []) for each in (state.items, state.held_out))
        return edits(trained, held_out, job.validation.prompts, said)
    slots = matrix(captions, job.captions.trigger, job.purpose, job.validation.prompts, said)
    return [Shown(slot, None) for slot in slots]


def _size(state: State, wish: Wish) -> tuple[int, int]:
    """Width and height: as asked, of an edit as it is trained, else what the model was made for."""
    own = wish.item.bucket if wish.item is not None else (state.models.side, state.models.side)
    return state.job.validation.size or own


def _batches(wishes: Sequence[Wish], size: Callable[[Wish], tuple[int, int]]) -> Iterator[tuple[int, list[Wish]]]:
    """Images drawn before, and those of one strength and size that are drawn together."""
    done = 0
    for kind in dict.fromkeys((wish.strength, size(wish)) for wish in wishes):
        most = max(1, min(MOST, PIXELS // (kind[1][0] * kind[1][1])))
        same = [wish for wish in wishes if (wish.strength, size(wish)) == kind]
        for start in range(0, len(same), most):
            part = same[start : start + most]
            yield done, part
            done += len(part)


def _images(state: State, wishes: Sequence[Wish]) -> list[Image]:
    validation = state.job.validation
    with strength(state.models, wishes[0].strength):  # of text encoders too
        encoded = {wish.slot.prompt: state.items.prompt(wish.slot.prompt) for wish in wishes}  # type: ignore[attr-defined]
        return state.family.sample(
            state.models,
            [encoded[wish.slot.prompt] for wish in wishes],
            [wish.seed for wish in wishes],
            negative=state.items.prompt(""),  # type: ignore[attr-defined]
            steps=validation.sampler_steps,
            guidance=validation.guidance,
            size=_size(state, wishes[0]),
            control=[_control(wish) for wish in wishes] if state.job.edits else (),
            image_guidance=state.job.edit.image_guidance,
        )


def _control(wish: Wish) -> list[Image]:
    """The control images, as the pipeline is handed them."""
    return [seen(view, content(view.path)) for view in wish.item.views] if wish.item is not None else []


def _keep(state: State, wishes: Sequence[Wish], images: Sequence[Image]) -> None:
    folder = state.folder.sample_folder(state.step)
    folder.mkdir(parents=True, exist_ok=True)
    for wish, image in zip(wishes, images, strict=True):
        path = folder / wish.file
        row = {"step": state.step, "file": path.relative_to(state.folder.root).as_posix(), **_told(state, wish)}
        if wish.item is not None:
            row["control"] = list(_kept_control(state, wish))
        write_beside(path, _png(image, row))
        append_row(state.folder.samples, {**row, "flat": _flat(image)})


def _kept_control(state: State, wish: Wish) -> Iterator[str]:
    """The control images in the run's folder: a sample can't be judged without them."""
    folder = state.folder.sample_folder(0).parent / "control"
    folder.mkdir(parents=True, exist_ok=True)
    for nth, image in enumerate(_control(wish)):
        path = folder / f"{wish.slot.name}-{nth}.png"
        if not path.exists():
            buffer = io.BytesIO()
            image.save(buffer, "PNG")
            write_beside(path, buffer.getvalue())
        yield path.relative_to(state.folder.root).as_posix()


def _told(state: State, wish: Wish) -> dict[str, Any]:
    best: Recommended = state.family.recommended(state.models)
    validation, (width, height) = state.job.validation, _size(state, wish)
    return {
        "slot": wish.slot.name,
        "kind": wish.slot.kind,
        "prompt": wish.slot.prompt,
        "seed": wish.seed,
        "strength": wish.strength,
        "guidance": best.guidance if validation.guidance is None else validation.guidance,
        "sampler_steps": validation.sampler_steps or best.sampler_steps,
        "size": [width, height],
    }


def _png(image: Image, row: dict[str, Any]) -> bytes:
    text, buffer = PngInfo(), io.BytesIO()
    for name in ("prompt", "seed", "strength", "step", "slot", "guidance", "sampler_steps"):
        value = row[name]
        text.add_itxt(name, value if isinstance(value, str) else json.dumps(value))
    image.save(buffer, "PNG", pnginfo=text)
    return buffer.getvalue()


def _flat(image: Image) -> bool:
    """Whether it shows nothing: black, or of one colour."""
    return bool(np.asarray(image.convert("RGB"), np.float32).std() < FLAT)
