"""From a folder of images to what a step trains on, with the encoders of a real tiny model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from lora_doctor.dataset.described import write_described
from lora_doctor.source.document import SourceError
from lora_doctor.train.encode import Sources
from lora_doctor.train.feed import Prepared, prepare
from lora_doctor.train.images import read_pictures
from lora_doctor.train.job import Buckets, Captions, Job, Memory, Training, Validation
from lora_doctor.train.written import written

from .test_images import _own_cache, folder, job_of  # noqa: F401 (fixtures)


class Encoders:
    """Encoders whose values tell what they were made from, and that count how often they were asked."""

    def __init__(self) -> None:
        self.images: list[torch.Tensor] = []
        self.captions: list[str] = []
        self.near: list[str] = []

    def encode_images(self, pixels: torch.Tensor) -> torch.Tensor:
        self.images.append(pixels)
        pooled: torch.Tensor = torch.nn.functional.avg_pool2d(pixels, 4)
        return pooled

    def encode_prompts(self, captions: Sequence[str]) -> list[dict[str, torch.Tensor]]:
        self.captions += captions
        return [
            {"prompt_embeds": torch.tensor([[float(b) for b in text.encode()[:40].ljust(40)]])} for text in captions
        ]

    def sources(self, **changes: Any) -> Sources:
        return Sources(self.encode_images, self.encode_prompts, "vae", "text")._replace(**changes)


def _text(prompt: torch.Tensor) -> str:
    return bytes(int(value) for value in prompt[0]).decode().strip()


def _of(data: Prepared, name: str) -> torch.Tensor:
    """The latents of an image at its first resolution, wherever it was put."""
    found: torch.Tensor = next(each.latents for each in [*data.items, *data.held_out] if each.name == name)
    return found


def _prepared(job: Job, encoders: Encoders | None = None, **more: Any) -> Prepared:
    sources = (encoders or Encoders()).sources(**more.pop("sources", {}))
    return prepare(job, read_pictures(job), sources, folder=job.output / "cache", **more)


@pytest.fixture
def job(folder: Path) -> Job:  # noqa: F811
    colours = [(7 * i, 120, 255 - 9 * i) for i in range(12)]
    from PIL import Image

    for i, colour in enumerate(colours):
        Image.new("RGB", (64 + 32 * (i % 2), 64), colour).save(folder / f"{i:02}.png")
        (folder / f"{i:02}.txt").write_text(f"red {7 * i}, tag, more")
    captions = Captions("zwx", dropout=0.2, shuffle_tags=True, keep_tags=1)
    job = job_of(folder, captions=captions, data={"resolution": (64, 32), "repeats": 2.0})
    return job._replace(output=folder.parent / "out", training=Training(10, batch_size=3, accumulation=2))


def test_captions_belong_to_their_images_always(job: Job) -> None:
    data = _prepared(job)
    seen = set()
    for step in range(20):
        for batch in data.steps(step):
            for latent, prompt, caption, item in zip(
                batch.latents, batch.prompts["prompt_embeds"], batch.captions, batch.items
            ):
                picture = data.feed.items[item].picture
                red = round((float(latent[0].mean()) + 1) * 127.5)
                assert caption in ("", *picture.captions)
                assert _text(prompt) == caption[:40]
                if caption:
                    assert f"red {red}," in caption
                    assert caption.startswith(f"zwx, red {red}")
                seen.add(caption)
    assert "" in seen
    data.steps.close()


def test_a_second_run_encodes_nothing_and_trains_the_same(job: Job) -> None:
    first, second = Encoders(), Encoders()
    one, other = _prepared(job, first), _prepared(job, second)
    assert len(first.images) == 24
    assert first.captions
    assert second.images == second.captions == []
    for step in (0, 5, 3):  # in any order
        for left, right in zip(one.steps(step), other.steps(step), strict=True):
            assert torch.equal(left.latents, right.latents)
            assert torch.equal(left.prompts["prompt_embeds"], right.prompts["prompt_embeds"])
            assert (left.captions, left.items, left.weight) == (right.captions, right.items, right.weight)


def test_what_changes_is_encoded_again_and_nothing_else(job: Job) -> None:
    first = _prepared(job)
    image = job.data[0].folder / "00.png"
    (job.data[0].folder / "01.txt").write_text("red 7, other")
    write_described("00.png: 64x64 photo", image.parent)
    encoders = Encoders()
    _prepared(job, encoders)
    assert len(encoders.images) == 2  # at two resolutions
    known = {caption for each in first.feed.items for caption in each.picture.captions}
    assert encoders.captions
    assert not known & {*encoders.captions}
    other_model = Encoders()
    _prepared(job, other_model, sources={"vae": "another"})
    assert len(other_model.images) == 24
    assert other_model.captions == []
    other_size = Encoders()
    _prepared(job._replace(buckets=Buckets(False)), other_size)
    assert len(other_size.images) == 6  # those that were not square


def test_a_change_that_hides_behind_the_old_time_and_size_is_seen(job: Job) -> None:
    import os

    from PIL import Image

    image = job.data[0].folder / "00.png"
    Image.new("RGB", (64, 64), (0, 120, 255)).save(image, compress_level=0)
    before, state = _of(_prepared(job), "00.png"), image.stat()
    Image.new("RGB", (64, 64), (9, 120, 255)).save(image, compress_level=0)
    os.utime(image, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert image.stat().st_size == state.st_size
    after = _of(_prepared(job), "00.png")
    assert float(before[0].mean()) == pytest.approx(-1)
    assert float(after[0].mean()) == pytest.approx(9 / 127.5 - 1, abs=1e-5)


def test_a_damaged_file_is_encoded_again(job: Job) -> None:
    data = _prepared(job)
    data.steps.close()
    files = sorted((job.output / "cache").rglob("*.safetensors"))
    for file in files[::5]:
        file.write_bytes(file.read_bytes()[:-1])
    encoders = Encoders()
    again = _prepared(job, encoders)
    assert len(encoders.images) + len(encoders.captions) == len(files[::5])
    assert torch.equal(again.items[0].latents, data.items[0].latents)


def test_a_cache_that_goes_while_training_is_told(job: Job) -> None:
    import shutil

    data = _prepared(job)
    shutil.rmtree(job.output / "cache")
    with pytest.raises(SourceError, match=r"is no longer in the cache .* resume the run, and it is encoded again"):
        data.steps(3)


@pytest.mark.parametrize("room", [0, 1 << 20])
def test_small_values_are_read_once(job: Job, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    from lora_doctor.train import feed

    monkeypatch.setattr(feed, "KEPT", room)
    data = _prepared(job)
    before = data.items[0]
    shutil.rmtree(job.output / "cache")
    if room:
        assert torch.equal(data.items[0].latents, before.latents)
    else:
        with pytest.raises(SourceError, match="is no longer in the cache"):
            data.items[0]


def test_without_a_cache_the_encoders_are_asked_every_time(job: Job) -> None:
    cached = _prepared(job)
    encoders = Encoders()
    job = job._replace(memory=Memory(cache_latents=False, cache_text=False))
    data = _prepared(job, encoders)
    assert encoders.images == []
    for left, right in zip(cached.steps(1), data.steps(1), strict=True):
        assert torch.equal(left.latents, right.latents)
        assert left.captions == right.captions
    assert len(encoders.images) == sum(len(b.shown) for b in data.steps.order.step(1, 2))


def test_encoders_come_near_only_where_they_are_needed(job: Job) -> None:
    from contextlib import contextmanager

    came: list[str] = []

    def near(name: str) -> Any:
        @contextmanager
        def coming() -> Any:
            came.append(name)
            yield
            came.append(f"{name} left")

        return coming

    places = {"near_images": near("vae"), "near_prompts": near("text")}
    _prepared(job, sources=places)
    assert came == ["vae", "vae left", "text", "text left"]
    _prepared(job, sources=places)
    assert len(came) == 4


def test_ranks_share_the_work(job: Job) -> None:
    whole = _prepared(job._replace(output=job.output.parent / "alone"))
    encoders = [Encoders(), Encoders()]
    for rank in (1, 0):  # one after the other: `wait` would hold them together
        data = _prepared(job, encoders[rank], rank=rank, ranks=2)
    assert [len(each.images) for each in encoders] == [12, 12]
    assert {*encoders[0].captions} & {*encoders[1].captions} == set()
    assert torch.equal(data.items[3].latents, whole.items[3].latents)
    assert len(data.steps(0)) == 2


def test_held_out_images_are_never_trained_on(job: Job) -> None:
    data = _prepared(job._replace(validation=Validation(held_out=0.2)))
    apart = {example.name for example in data.held_out}
    assert len(apart) == 2
    assert len(data.held_out) == 4
    trained = {data.feed.items[i].picture.path.name for step in range(40) for b in data.steps(step) for i in b.items}
    assert len(trained) == 10
    assert not trained & apart
    assert {example.name for example in data.items} == trained
    assert any("2 of 12 images are held out" in note for note in data.notes)
    example = data.held_out[0]
    assert _text(example.prompts["prompt_embeds"]) == example.caption[:40]


def test_masks_weigh_latents(folder: Path) -> None:  # noqa: F811
    from PIL import Image

    masks = folder.parent / "masks"
    masks.mkdir()
    write_described("a.png: 64x64 photo\nb.png: 64x64 photo", folder)
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (32, 0, 64, 64))
    mask.save(masks / "a.png")
    job = job_of(folder, data={"masks": masks})._replace(
        output=folder.parent / "out", training=Training(1, batch_size=2)
    )
    [batch] = _prepared(job).steps(0)
    assert batch.mask is not None
    assert batch.mask.shape == (2, 1, 16, 16)
    a = batch.mask[[Path(job.data[0].names[i]).stem for i in batch.items].index("a")]
    assert a[0, :, :8].max() == 0
    assert a[0, :, 8:].min() == 1
    assert batch.mask.sum() == 256 + 128
    mask.paste(128, (32, 0, 64, 64))
    mask.save(masks / "a.png")
    [batch] = _prepared(job).steps(0)
    assert batch.mask is not None
    assert batch.mask.sum() == pytest.approx(256 + 128 * 128 / 255)


def test_sizes_as_sdxl_is_told(folder: Path) -> None:  # noqa: F811
    write_described("a.png: 200x100 photo", folder)
    job = job_of(folder, buckets=Buckets(False))._replace(output=folder.parent / "out")
    [batch] = _prepared(job).steps(0)
    assert batch.sizes.tolist() == [[100.0, 200.0, 0.0, 32.0, 64.0, 64.0]]


def test_an_overflowing_vae_is_told(job: Job) -> None:
    with pytest.raises(SourceError, match="latents that are no numbers"):
        _prepared(job, sources={"images": lambda pixels: pixels / 0})


def test_progress_and_texts_asked_for(job: Job) -> None:
    told: list[tuple[str, int, int]] = []
    encoders = Encoders()
    _prepared(job, encoders, tell=lambda *each: told.append(each), prompts=["a cat on the moon"])
    assert told[0] == ("images", 1, 24)
    assert ("images", 24, 24) in told
    assert told[-1] == ("captions", len(encoders.captions), len(encoders.captions))
    assert {"", "a cat on the moon", "zwx red, watercolor painting"} <= {*encoders.captions}
    first = written(job.data[0], "00.png")
    assert first is not None
    assert f"zwx, {first.text}" in encoders.captions
