"""What a run's checkpoints are asked: which of its images, which of them were not trained on, and which prompts.

The same as `lora-doctor train` measures while it trains, so that a run of any trainer gives the rows that lora-doctor's
own monitors write. Images are held out where the run itself held them out (lora-doctor's own, by its config) or where
the user has some; without, copies of training images moved by some pixels stand in for them. No model is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lora_doctor.dataset.listing import list_folder
from lora_doctor.dialects.native import TRAINER as OWN
from lora_doctor.probe.loss import SIGMAS
from lora_doctor.runs.facts import Gap, Run
from lora_doctor.runs.native import monitor_rows
from lora_doctor.source.document import SourceError
from lora_doctor.train.cache import identity, key
from lora_doctor.train.edits import asks_of
from lora_doctor.train.images import Item, items_of, read_pictures
from lora_doctor.train.job import Data, Job
from lora_doctor.train.monitors import HELD, STRENGTHS, TRAINED, spread
from lora_doctor.train.prompts import Asks
from lora_doctor.train.resolve import resolve
from lora_doctor.train.split import split

VERSION = 2  # of what is asked, and how answers are kept


class Questions(NamedTuple):
    """What is asked of each checkpoint. `other` is `held_out`, or `shifted`: then `others` are `train`, to be moved.

    gaps: what is not known, and how it would be.
    """

    job: Job
    train: tuple[Item, ...]
    others: tuple[Item, ...]
    other: str
    prompts: Asks
    gaps: tuple[Gap, ...] = ()

    def key(self) -> str:
        """A hash of all that decides an answer but the checkpoint: what is asked, and of which model's files."""
        items = [_told(item) for item in (*self.train, *self.others)]
        asked = [VERSION, self.other, len(self.train), items, self.prompts, SIGMAS, STRENGTHS]
        model = self.job.model
        files = identity(model.path, *filter(None, (model.text_encoder, model.vae)))
        return key("questions", asked=asked, precision=self.job.precision, timesteps=self.job.timesteps, model=files)


def _told(item: Item) -> list[object]:
    shown = [[view.path.name, view.size, view.scaled] for view in item.views]
    return [item.picture.path.name, item.picture.digest.hex(), item.bucket, item.picture.caption, *shown]


def questions_of(run: Run, base: Path | None, held_out: Path | None, *, cache: Path | None = None) -> Questions:
    """The questions for a run; base: its base model's folder, None for the one that its config names.

    Raises:
        SourceError: the model or the images are not here.
    """
    job = job_of(run, base)
    found = read_pictures(job, cache=cache)
    apart = split(found.pictures, job.validation.held_out if run.trainer == OWN else 0)
    trained = [item for item in items_of(job, apart.train) if not item.picture.regularisation]
    if not trained:
        raise SourceError("all of the run's images are regularisation images: there is none to ask about")
    train = tuple(trained[place] for place in spread(len(trained), TRAINED))
    captions = list(dict.fromkeys(p for p in apart.train if not p.regularisation))
    prompts = asks_of(job, [p.caption for p in captions])
    others = _given(job, held_out, cache) if held_out is not None else items_of(job, apart.held_out)
    if not others:
        return Questions(job, train, train, "shifted", prompts, (_NOT_HELD_OUT,))
    chosen = tuple(others[place] for place in spread(len(others), HELD))
    if held_out is None and not _as_recorded(run, chosen):
        return Questions(job, train, train, "shifted", prompts, (_CHANGED,))
    return Questions(job, train, chosen, "held_out", prompts)


def _as_recorded(run: Run, chosen: Sequence[Item]) -> bool:
    """Whether these are the images that the run itself measured as held out; one that measured nothing can't tell."""
    rows = [row for row in monitor_rows(run.folder) if row.get("monitor") == "loss" and row.get("set") == "held_out"]
    recorded = {str(name).rpartition(" ")[0] for name in rows[0].get("images") or ()} if rows else set()
    return not recorded or recorded == {item.picture.path.name for item in chosen}


_NOT_HELD_OUT = Gap(
    "the base model on images that were not trained on",
    "memorising as against learning, and the checkpoint to keep, with more confidence than moved copies allow",
    "give some of the same subject or style, with captions, with --held-out DIR",
)


_CHANGED = Gap(
    "which images were held out",
    "memorising as against learning, with more confidence than moved copies of training images allow",
    "the images have changed since the run: bring them back, or give unseen ones with --held-out DIR",
)


def job_of(run: Run, base: Path | None) -> Job:
    """The run as lora-doctor would train it: its images, captions, sizes and number formats.

    Raises:
        SourceError: no training images are known, or the model is not here.
    """
    if run.plan is None or not run.plan.datasets:
        raise SourceError("the base model is asked about the run's images, and none are known: give --dataset DIR")
    told: dict[str, Any] = {
        "training.steps": max([1, *run.steps]),  # what only training needs, and a diagnosis may not know
        "output": str(run.folder),
        "optimizer.name": "adamw",
        "model.path": None if base is None else str(base),
    }
    if base is None and not run.plan.model.setting.value:
        raise SourceError("no config names the run's base model: --base FOLDER (in diffusers' layout)")
    job = resolve(run.plan, told)
    return job._replace(memory=job.memory._replace(offload=True, gradient_checkpointing=False, blocks_to_swap=0))


def _given(job: Job, folder: Path, cache: Path | None) -> list[Item]:
    """Images of a folder, captioned and sized as the run's first; copies of what was trained on are no use.

    Raises:
        SourceError: there are none.
    """
    listing = list_folder(folder, recursive=True)
    if listing is None or not listing.images:
        raise SourceError(f"--held-out {folder} holds no image")
    first = job.data[0]
    data = Data(listing.folder.absolute(), listing.images, first.captions, first.caption_extension, first.prompt)
    both = job._replace(data=(*job.data, data._replace(resolution=first.resolution)))
    pictures = read_pictures(both, cache=cache).pictures
    own = [each for each in pictures if each.data == len(job.data)]
    trained = {each.group for each in pictures if each.data < len(job.data)}
    unseen = [each for each in own if each.group not in trained]
    if not unseen:
        raise SourceError(f"--held-out {folder}: all {len(own)} images are copies of what was trained on")
    return items_of(both, unseen)
