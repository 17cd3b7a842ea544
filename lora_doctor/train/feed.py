"""What a step trains on: cached latents and captions of a batch, fetched a step ahead.

A showing's caption is drawn from the item's own captions, and its latents lie under the item's own key: captions can't
be paired with other images, whatever was resized, reordered or added since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple, overload

import torch

from lora_doctor.source.document import SourceError
from lora_doctor.train.cache import Store, Tensors
from lora_doctor.train.captions import control_dropped, every_caption, shown_caption
from lora_doctor.train.edits import asked_edits
from lora_doctor.train.encode import (
    Sources,
    Tell,
    encoded,
    encoded_control,
    prepare_controls,
    prepare_images,
    prepare_prompts,
    read,
)
from lora_doctor.train.families import collate, control_name, micro_of
from lora_doctor.train.images import Collection, Item, Picture, content, items_of
from lora_doctor.train.job import Job
from lora_doctor.train.keeping import Other, every_other, others
from lora_doctor.train.prompts import matrix, pairs, unrelated
from lora_doctor.train.sampler import Batch, Order, Shown
from lora_doctor.train.split import split

KEPT = 256 * 1024**2  # bytes of values from the cache that are kept in memory: small datasets are read once


class Loaded(NamedTuple):
    """What one forward pass trains on.

    `latents` `[B, C, h, w]`; `prompts` batched, as the family's `predict` takes them, control images among them;
    `mask` `[B, 1, h, w]`, 0 to 1, or None where every pixel counts full; `sizes` `[B, 6]` as `predict` takes them;
    `weight` multiplies the mean loss. `others` are weights and prompts of what the base model should still say to these
    images (`keeping`).
    """

    latents: torch.Tensor
    prompts: Tensors
    mask: torch.Tensor | None
    sizes: torch.Tensor
    weight: float
    captions: tuple[str, ...]
    items: tuple[int, ...]
    others: tuple[tuple[float, Tensors], ...] = ()


class Example(NamedTuple):
    """One item as the probes take it: unbatched latents `[C, h, w]`, prompt and `sizes` `[6]`; its caption and file."""

    latents: torch.Tensor
    prompts: Tensors
    caption: str
    name: str
    sizes: torch.Tensor
    mask: torch.Tensor | None = None


class Examples(Sequence[Example]):
    """Items that are fetched from the cache when they are asked for."""

    def __init__(self, feed: Feed, places: Sequence[int]) -> None:
        self._feed, self._places = feed, places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        place = self._places[index]
        item, value = self._feed.items[place], self._feed.image(place)
        caption = item.picture.caption
        prompt = {**self._feed.prompt(caption), **self._feed.control(place)}
        return Example(value["latents"], prompt, caption, item.picture.path.name, sizes_of(item), value.get("mask"))

    @property
    def captions(self) -> list[str]:
        """The caption of every image, regularisation images aside; nothing is fetched for it."""
        pictures = dict.fromkeys(self._feed.items[place].picture for place in self._places)
        return [picture.caption for picture in pictures if not picture.regularisation]

    @property
    def shown(self) -> list[Item]:
        """The items themselves, regularisation images aside; nothing is fetched for it."""
        items = [self._feed.items[place] for place in self._places]
        return [item for item in items if not item.picture.regularisation]

    def prompt(self, text: str) -> Tensors:
        """The encoding of any text that was asked for when the run was prepared."""
        return self._feed.prompt(text)


class Feed:
    """Encoded items and captions, from the cache or, where a job switches that off, from the encoders."""

    def __init__(
        self,
        items: Sequence[Item],
        sources: Sources,
        store: Store,
        keys: Sequence[str],
        text: bool,
        controls: Sequence[tuple[str, ...]] = (),
    ) -> None:
        """`keys` as `prepare_images` gave them, none where images are not cached; `text`: whether captions are.

        `controls` as `prepare_controls` gave them.
        """
        self.items, self.sources, self.store, self.keys, self.text = items, sources, store, keys, text
        self._controls = controls
        self._kept: dict[str, Tensors] = {}
        self._room = KEPT

    def image(self, place: int) -> Tensors:
        """`latents`, and `mask` where the item has one.

        Raises:
            SourceError: the file in the cache is gone or damaged since the run began.
        """
        if not self.keys:
            return encoded(read(self.items[place], None, self.sources), self.sources)
        return self._there(self.keys[place], self.items[place].picture.path.name)

    def control(self, place: int) -> Tensors:
        """What the model is shown of an edit: `control_0` and so on, latents `[C, h, w]`."""
        item = self.items[place]
        if self.keys:
            keys = self._controls[place] if self._controls else ()
            found = [self._there(each, view.path.name)["latents"] for each, view in zip(keys, item.views)]
        else:
            found = [encoded_control(view, content(view.path), self.sources) for view in item.views]
        return {control_name(nth): latents for nth, latents in enumerate(found)}

    def prompts(self, captions: Sequence[str]) -> list[Tensors]:
        """The captions' encodings, unbatched; encoded together where they are not cached."""
        return [self.prompt(each) for each in captions] if self.text else self.sources.prompts(captions)

    def prompt(self, caption: str) -> Tensors:
        """A caption's encoding, unbatched."""
        if not self.text:
            return self.sources.prompts([caption])[0]
        return self._there(self.sources.prompt_key(caption), f"the caption `{caption[:40]}`")

    def _there(self, key: str, what: str) -> Tensors:
        if key in self._kept:
            return self._kept[key]
        value = self.store.get(key)
        if value is None:
            raise SourceError(
                f"{what} is no longer in the cache {self.store.folder}, or its file is damaged: resume the run, and it "
                "is encoded again"
            )
        size = sum(tensor.nbytes for tensor in value.values())
        if size <= self._room:  # nothing is thrown out again: in epochs, the oldest is what comes next
            self._room -= size
            self._kept[key] = value
        return value


class Steps:
    """What every step trains on; a cached next step is fetched while this one runs."""

    def __init__(
        self,
        feed: Feed,
        order: Order,
        *,
        dropout: float,
        accumulation: int = 1,
        rank: int = 0,
        control_dropout: float = 0.0,
        others: Callable[[Sequence[Shown], Sequence[str]], Iterable[Other]] = lambda shown, captions: (),
    ) -> None:
        """`order` is over the feed's items, from the first on; those behind are held out."""
        self.feed, self.order, self.dropout, self.control_dropout = feed, order, dropout, control_dropout
        self.others = others
        self.accumulation, self.rank = accumulation, rank
        self._pool = ThreadPoolExecutor(1)
        self._next: tuple[int, Future[list[Loaded]]] | None = None

    def __call__(self, step: int) -> list[Loaded]:
        """The batches of one step (counted from 0), on the CPU."""
        if not (self.feed.keys and self.feed.text):
            return self._load(step)  # encoders run in the loop's own thread
        fetched = self._next is not None and self._next[0] == step
        loaded = self._next[1].result() if fetched and self._next is not None else self._load(step)
        self._next = step + 1, self._pool.submit(self._load, step + 1)
        return loaded

    @property
    def taken(self) -> int:
        """Batches that a step takes, over all processes."""
        return self.accumulation * self.order.ranks

    def place(self, step: int) -> int:
        """Where in the data's row a step begins."""
        return self.order.place(step, self.accumulation)

    def goes_on(self, step: int, place: int) -> None:
        """Let a step begin at a place."""
        self.order.goes_on(step, place, self.accumulation)

    def epoch(self, step: int) -> float:
        """Epochs that are behind before a step."""
        return self.order.epoch(step, self.accumulation)

    def growing(self, step: int) -> bool:
        """Whether a step is at another size than the last one."""
        return False

    def told(self, step: int) -> dict[str, object]:
        """What a step's row in the log says of it."""
        return {}

    def close(self) -> None:
        """Drop what was fetched ahead."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _load(self, step: int) -> list[Loaded]:
        return [self._batch(batch) for batch in self.order.step(step, self.accumulation, self.rank)]

    def _batch(self, batch: Batch) -> Loaded:
        images = [self.feed.image(shown.item) for shown in batch.shown]
        whole = [self.feed.items[shown.item].picture.caption for shown in batch.shown]
        captions = tuple(
            shown_caption(self.feed.items[shown.item].picture.captions, shown, self.dropout, self.order.seed)
            for shown in batch.shown
        )
        return Loaded(
            torch.stack([image["latents"] for image in images]),
            self._prompts(captions, batch),
            _stacked_masks(images),
            torch.stack([sizes_of(self.feed.items[shown.item]) for shown in batch.shown]),
            batch.weight,
            captions,
            tuple(shown.item for shown in batch.shown),
            tuple((other.weight, self._prompts(other.captions, batch)) for other in self.others(batch.shown, whole)),
        )

    def _prompts(self, captions: Sequence[str], batch: Batch) -> Tensors:
        """Captions for the images of a batch, with their control images."""
        encoded = self.feed.prompts(captions)
        return collate([prompt | self._control(shown) for prompt, shown in zip(encoded, batch.shown)])

    def _control(self, shown: Shown) -> Tensors:
        """A showing's control images, blank where they are dropped."""
        found = self.feed.control(shown.item)
        if found and control_dropped(shown, self.dropout, self.control_dropout, self.order.seed):
            return {name: torch.zeros_like(latents) for name, latents in found.items()}
        return found


def _stacked_masks(images: Sequence[Tensors]) -> torch.Tensor | None:
    """Weights of all images where any has a mask; the others count full."""
    masks = [image.get("mask") for image in images]
    if all(mask is None for mask in masks):
        return None
    full = [torch.ones(1, *image["latents"].shape[-2:]) for image in images]
    return torch.stack([whole if mask is None else mask for mask, whole in zip(masks, full)])


def sizes_of(item: Item) -> torch.Tensor:
    """`[6]` pixels: original height and width, top and left of the crop after scaling, height and width trained at.

    What SDXL is told of an image (micro-conditioning, arXiv:2307.01952, section 2.2).
    """
    (width, height), place = item.picture.size, item.place
    top, left = (
        round((side * place.scale - kept) / 2) for side, kept in ((height, place.height), (width, place.width))
    )
    return torch.tensor([height, width, max(0, top), max(0, left), place.height, place.width], dtype=torch.float32)


def watched(job: Job, pictures: Sequence[Picture]) -> list[str]:
    """Every prompt that a run is watched with, the user's among them."""
    captions = [picture.caption for picture in pictures if not picture.regularisation]
    if job.edits:
        return list(asked_edits(captions, job.validation.prompts, micro_of(job.model.path)))
    trigger, said = job.captions.trigger, micro_of(job.model.path)
    slots = matrix(captions, trigger, job.purpose, job.validation.prompts, said)
    texts = [each for pair in pairs(captions, trigger, job.purpose, said) for each in pair]
    return list(dict.fromkeys([*(slot.prompt for slot in slots), *texts, *unrelated(captions, said)]))


class Prepared(NamedTuple):
    """All that a loop needs of its data. `notes` are sentences for the user; items behind `trained` are held out."""

    steps: Steps
    feed: Feed
    items: Examples  # trained on
    held_out: Examples
    trained: int
    notes: tuple[str, ...]


def prepare(
    job: Job,
    found: Collection,
    sources: Sources,
    prompts: Sequence[str] = (),
    *,
    folder: Path,
    rank: int = 0,
    ranks: int = 1,
    row: tuple[int, int] | None = None,
    tell: Tell | None = None,
    wait: Callable[[], None] = lambda: None,
) -> Prepared:
    """Split, encode and order a job's data, which `read_pictures` found.

    Captions are encoded together with the prompts that the run is watched with, and with `prompts`; `folder` is the
    cache; `row` is this rank's place among those that see different images, and their number, where some see the same;
    `wait` is called when this rank's share is encoded, and returns when all ranks are.

    Raises:
        SourceError: an unreadable file, a full disk.
    """
    apart = split(found.pictures, job.validation.held_out)
    trained = items_of(job, apart.train)
    items = [*trained, *items_of(job, apart.held_out)]
    store = Store(folder)
    keys: list[str] = []
    controls: list[tuple[str, ...]] = []
    if job.memory.cache_latents:
        controls = prepare_controls(store, items, sources, tell=tell, rank=rank, ranks=ranks)
        keys = prepare_images(store, items, sources, workers=job.memory.workers, tell=tell, rank=rank, ranks=ranks)
    if job.memory.cache_text:
        texts = _texts(job, items, trained, (*watched(job, apart.train), *prompts))
        prepare_prompts(store, texts, sources, tell=tell, rank=rank, ranks=ranks)
    wait()
    feed = Feed(items, sources, store, keys, job.memory.cache_text, controls)
    examples = Examples(feed, range(len(trained))), Examples(feed, range(len(trained), len(items)))
    notes = (*found.notes, apart.sentence)
    return Prepared(_steps(job, feed, trained, *(row or (rank, ranks))), feed, *examples, len(trained), notes)


def _texts(job: Job, items: Sequence[Item], trained: Sequence[Item], prompts: Sequence[str]) -> list[str]:
    """Every caption that can come up, each once.

    The caption of an item as the probes ask for it is the first of its variants.
    """
    shown = every_caption(item.picture.captions for item in items)
    kept = every_other(job, (item.picture.caption for item in trained))
    return list(dict.fromkeys([*shown, *kept, *prompts]))


def _steps(job: Job, feed: Feed, trained: Sequence[Item], rank: int, ranks: int) -> Steps:
    """The batches of this rank in their order."""
    shapes, repeats = [item.shape for item in trained], [item.repeats for item in trained]
    order = Order(shapes, repeats, job.training.batch_size, job.training.seed, ranks=ranks)
    return Steps(
        feed,
        order,
        dropout=job.captions.dropout,
        accumulation=job.training.accumulation,
        rank=rank,
        control_dropout=job.edit.control_dropout or 0.0,
        others=partial(others, job),
    )
