"""Images and captions become latents and embeddings: what the cache lacks is encoded, and kept there.

Image and mask of an item lie in one file, so that they can't be paired wrongly. Memory stays the same however many
images there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from types import MappingProxyType
from typing import NamedTuple

import torch

from lora_doctor.source.document import SourceError
from lora_doctor.train.cache import Store, Tensors, identity, key
from lora_doctor.train.companions import file_of, in_encoders
from lora_doctor.train.control import View, seen_pixels
from lora_doctor.train.families import Family, Models, present
from lora_doctor.train.images import Item, content, pixels, weights
from lora_doctor.train.job import Job

EncodeImages = Callable[[torch.Tensor], torch.Tensor]  # [B, 3, H, W] in -1..1 -> latents [B, C, h, w]
EncodePrompts = Callable[[Sequence[str]], list[Tensors]]
Near = Callable[[], AbstractContextManager[None]]
Tell = Callable[[str, int, int], None]  # what, done, in all
PROMPTS = 8  # captions encoded at once
AHEAD = 8  # images read while another is encoded


class Sources(NamedTuple):
    """The encoders, and the hashes of the files they come from (`cache.identity`).

    `settings` are what else decides an encoding: lengths, layers, number formats. Inside `near_images()` and
    `near_prompts()` the encoders lie on the device; afterwards they may leave it.
    """

    images: EncodeImages
    prompts: EncodePrompts
    vae: str
    text: str
    settings: Mapping[str, object] = MappingProxyType({})
    near_images: Near = nullcontext
    near_prompts: Near = nullcontext
    control: EncodeImages | None = None

    def prompt_key(self, caption: str) -> str:
        """Where a caption's encoding lies."""
        return key("text", caption=caption, encoder=self.text, settings=dict(self.settings))

    def image_key(self, item: Item, image: bytes, mask: bytes | None) -> str:
        """Where an item's latents lie."""
        return key("image", image=image, mask=mask, bucket=item.bucket, vae=self.vae, settings=dict(self.settings))

    def control_key(self, view: View, image: bytes) -> str:
        """Where a control image's latents lie."""
        how = [view.size, view.scaled]
        return key("control", image=image, how=how, vae=self.vae, settings=dict(self.settings))


def sources_of(job: Job, family: Family, models: Models) -> Sources:
    """The encoders of a loaded model."""
    import diffusers
    import transformers

    root = job.model.path
    text = [*sorted(root.glob("text_encoder*")), *sorted(root.glob("tokenizer*"))]
    if job.model.text_encoder is not None:
        text = [job.model.text_encoder, *sorted(root.glob("tokenizer*"))]
    under = [file_of(path) for path in job.adapter.beneath if in_encoders(path)]
    changed = {"beneath": identity(*under)} if under else {}
    return Sources(
        lambda pixels: family.encode_images(models, pixels),
        lambda captions: family.encode_prompts(models, captions),
        identity(job.model.vae or root / "vae"),
        identity(*text),
        {
            "family": family.ID,
            "tokens": models.tokens,
            "layers": models.layers,
            "formats": [str(models.vae.dtype), *(str(each.dtype) for each in models.text_encoders)],
            "stored": job.precision.text_encoder,
            "versions": [diffusers.__version__, transformers.__version__],
            **changed,
        },
        lambda: present(models, models.vae),
        lambda: present(models, *models.text_encoders),
        lambda pixels: family.encode_control(models, pixels),
    )


def prepare_images(
    store: Store,
    items: Sequence[Item],
    sources: Sources,
    *,
    workers: int = 2,
    tell: Tell | None = None,
    rank: int = 0,
    ranks: int = 1,
) -> list[str]:
    """The key of every item; what is missing is encoded here, or by the other ranks.

    Files are read and fitted by `workers` threads, a few ahead, and encoded one at a time: memory stays the
    same however many there are.

    Raises:
        SourceError: an image can't be read, or the disk is full.
    """
    keys: list[str] = []
    began = False
    with ThreadPoolExecutor(max(1, workers)) as pool, ExitStack() as near:
        for done, found in enumerate(_ahead(pool, items, store, sources, (rank, ranks)), 1):
            keys.append(found.key)
            if found.pixels is not None:
                if not began:
                    near.enter_context(sources.near_images())
                value = encoded(found, sources)
                if not began:
                    began = True
                    store.room(len(items) - done, sum(t.numel() * t.element_size() for t in value.values()))
                store.put(found.key, value)
            if tell is not None:
                tell("images", done, len(items))
    return keys


def prepare_controls(
    store: Store, items: Sequence[Item], sources: Sources, *, tell: Tell | None = None, rank: int = 0, ranks: int = 1
) -> list[tuple[str, ...]]:
    """The keys of every item's control images; each is encoded once, however many items show it.

    Raises:
        SourceError: an image can't be read, or the disk is full.
    """
    views = list(dict.fromkeys(view for item in items for view in item.views))
    known: dict[View, str] = {}
    with ExitStack() as near:
        begun = False
        for place, view in enumerate(views):
            data = content(view.path)
            name = known[view] = sources.control_key(view, data)
            if place % ranks == rank and store.get(name) is None:
                if not begun:
                    near.enter_context(sources.near_images())
                value = {"latents": encoded_control(view, data, sources)}
                if not begun:
                    begun = True
                    store.room(len(views) - place, value["latents"].nbytes)
                store.put(name, value)
            if tell is not None:
                tell("control images", place + 1, len(views))
    return [tuple(known[view] for view in item.views) for item in items]


def encoded_control(view: View, data: bytes, sources: Sources) -> torch.Tensor:
    """A control image's latents `[C, h, w]`, as the model is shown them.

    Raises:
        SourceError: it can't be decoded, or the VAE overflowed.
    """
    assert sources.control is not None, "what has control images has an encoder for them"
    levels = torch.from_numpy(seen_pixels(view, data).copy())
    return _finite(sources.control(levels.permute(2, 0, 1).float().div_(127.5).sub_(1.0)[None])[0].cpu())


def _finite(latents: torch.Tensor) -> torch.Tensor:
    if not bool(torch.isfinite(latents).all()):
        raise SourceError("the VAE gave latents that are no numbers: use a VAE fit for half precision, or `fp32`")
    return latents


class Read(NamedTuple):
    """An item's key, and its pixels where the cache lacks it."""

    key: str
    pixels: torch.Tensor | None = None
    mask: torch.Tensor | None = None


def _ahead(
    pool: ThreadPoolExecutor, items: Sequence[Item], store: Store, sources: Sources, share: tuple[int, int]
) -> Iterator[Read]:
    """Items in their order, some being read while others are encoded."""
    flying: deque[Future[Read]] = deque()
    for item, ours in zip(items, _ours(items, *share)):
        flying.append(pool.submit(read, item, store, sources, ours))
        if len(flying) > AHEAD:
            yield flying.popleft().result()
    while flying:
        yield flying.popleft().result()


def _ours(items: Sequence[Item], rank: int, ranks: int) -> list[bool]:
    """Which items this rank encodes: the same content goes to the same rank, so that no two encode the same."""
    places: dict[tuple[object, ...], int] = {}
    contents = [(item.picture.digest, item.bucket, item.picture.mask) for item in items]
    return [places.setdefault(each, len(places)) % ranks == rank for each in contents]


def read(item: Item, store: Store | None, sources: Sources, ours: bool = True) -> Read:
    """An item's key, and its pixels unless the cache has it or another rank encodes it.

    Raises:
        SourceError: a file can't be read.
    """
    picture = item.picture
    image = content(picture.path)
    mask = content(picture.mask) if picture.mask is not None else None
    name = sources.image_key(item, image, mask)
    if not ours or (store is not None and store.get(name) is not None):
        return Read(name)
    levels = torch.from_numpy(pixels(image, item.place, str(picture.path)).copy())
    scaled = levels.permute(2, 0, 1).float().div_(127.5).sub_(1.0)
    whole = None
    if mask is not None:
        whole = torch.from_numpy(weights(mask, image, item.place, str(picture.mask)))
    return Read(name, scaled, whole)


def encoded(found: Read, sources: Sources) -> Tensors:
    """`latents` `[C, h, w]`, and `mask` `[1, h, w]` where the item has one.

    Raises:
        SourceError: the VAE overflowed.
    """
    assert found.pixels is not None, "only what was read is encoded"
    latents = _finite(sources.images(found.pixels[None])[0].cpu())
    value = {"latents": latents}
    if found.mask is not None:
        value["mask"] = torch.nn.functional.adaptive_avg_pool2d(
            found.mask[None], (latents.shape[-2], latents.shape[-1])
        )
    return value


def prepare_prompts(
    store: Store, captions: Sequence[str], sources: Sources, *, tell: Tell | None = None, rank: int = 0, ranks: int = 1
) -> None:
    """Encode the captions that the cache lacks (of this rank's share).

    Raises:
        SourceError: the disk is full, or would be.
    """
    ours = [caption for i, caption in enumerate(captions) if i % ranks == rank]
    todo = [caption for caption in ours if store.get(sources.prompt_key(caption)) is None]
    if not todo:
        return
    with sources.near_prompts():
        for start in range(0, len(todo), PROMPTS):
            part = todo[start : start + PROMPTS]
            values = sources.prompts(part)
            if start == 0:
                store.room(len(todo), sum(t.numel() * t.element_size() for t in values[0].values()))
            for caption, value in zip(part, values, strict=True):
                store.put(sources.prompt_key(caption), value)
            if tell is not None:
                tell("captions", len(ours) - len(todo) + start + len(part), len(ours))
