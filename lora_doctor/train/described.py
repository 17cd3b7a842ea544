"""What a job comes to, before anything heavy is loaded: memory, buckets, length, reach, checkpoints. No torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lora_doctor.models.families import FAMILIES, size_of
from lora_doctor.models.header import HeaderError, read_header
from lora_doctor.models.modules import Coverage, adapter_size
from lora_doctor.train.folder import RunFolder, read_rows
from lora_doctor.train.growth import phases
from lora_doctor.train.job import BYTES, STATES, Job

PART = 34  # bytes per token and channel that one block keeps for its backward pass in 16 bit (arXiv:2205.05198, eq. 1)


class Sizes(NamedTuple):
    """Images trained on, by size (width, height in pixels), and what the reading of the folders had to say.

    control: control images, by the size they are shown in.
    """

    buckets: Counter[tuple[int, int]]
    notes: tuple[str, ...]
    trained: int
    control: Counter[tuple[int, int]]


class Share(NamedTuple):
    """Memory of one component: bytes, and how that is known."""

    name: str
    bytes: float
    how: str


def memory(job: Job, reached: Coverage, edge: int) -> list[Share]:
    """Memory on the device by component; `edge` is the longest side of the largest bucket, pixels."""
    found = list(_weights(job))
    parameters, one = adapter_size(reached.modules, job.adapter.rank).parameters, BYTES[job.precision.adapter]
    state, average = STATES[job.optimizer.name] * one / 4, 4.0 if job.optimizer.ema else 0.0
    found.append(Share("adapter", parameters * one, f"{parameters:,} weights in {job.precision.adapter}"))
    found.append(Share("gradients", parameters * one, f"as the adapter, {job.precision.adapter}"))
    found.append(Share("optimiser", parameters * (state + average), job.optimizer.name))
    activations = _activations(job, edge)
    return [*found, activations] if activations else found


def _weights(job: Job) -> Iterator[Share]:
    """The frozen parts, from the headers of their files."""
    for name in ("transformer", "unet", "text_encoder", "text_encoder_2", "vae"):
        path = {"text_encoder": job.model.text_encoder, "vae": job.model.vae}.get(name) or job.model.path / name
        count = _count(path)
        if not count:
            continue
        stored = job.precision.base if name in ("transformer", "unet") else job.precision.text_encoder
        stored = "fp32" if name == "vae" else stored
        away = "frees the device after caching" if _is_away(job, name) else f"{count:,} weights in {stored}"
        yield Share(name, 0.0 if _is_away(job, name) else count * BYTES[stored], away)


def _is_away(job: Job, name: str) -> bool:
    """Whether a part is needed on the device only before the loop."""
    cached = job.memory.cache_latents if name == "vae" else job.memory.cache_text
    return name not in ("transformer", "unet") and cached


def _count(path: Path) -> int:
    try:
        header = read_header(path)
    except (HeaderError, OSError):
        return 0
    total = 0
    for tensor in header.tensors.values():
        size = 1
        for side in tensor.shape:
            size *= side
        total += size
    return total


def _activations(job: Job, edge: int) -> Share | None:
    """What the backward pass needs: every block's, or one block's and the inputs of all where it is recomputed."""
    family, size = FAMILIES[job.model.family], size_of(job.model.family, job.model.size)
    if size is None or job.model.family == "sdxl":
        return None  # a UNet's blocks differ too much for one number
    scale = 32 if job.model.family == "sana" else 16
    shown = 1 + max(len(data.control) for data in job.data)  # control images are tokens as the noisy one's are
    tokens = shown * (edge // scale) ** 2 + (family.prompt_tokens if job.model.family == "flux2-klein" else 0)
    each = job.training.batch_size * tokens * size.width
    blocks = sum(size.blocks)
    kept = each * (2 * blocks + PART) if job.memory.gradient_checkpointing else each * PART * blocks
    return Share("activations", float(kept), f"about, {tokens:,} tokens of width {size.width}, {blocks} blocks")


def sizes_of(job: Job) -> Sizes:
    """The sizes a job trains at."""
    from lora_doctor.train.images import items_of, read_pictures
    from lora_doctor.train.split import split

    found = read_pictures(job)
    apart = split(found.pictures, job.validation.held_out)
    items = items_of(job, apart.train)
    views = Counter(view.size for item in items for view in item.views)
    return Sizes(Counter(item.bucket for item in items), (*found.notes, apart.sentence), len(apart.train), views)


def speed(job: Job) -> float | None:
    """Seconds per step, the median of what this run's folder has of an earlier start; None where nothing ran yet."""
    rows = [row["seconds"] for row in read_rows(RunFolder(job.output).log) if "seconds" in row]
    return sorted(rows)[len(rows) // 2] if rows else None


def lines(job: Job, reached: Coverage) -> Iterator[str]:
    """The dry run's figures."""
    every = phases(job)
    *smaller, (sizes, notes, trained, views) = [sizes_of(phase.job) for phase in every]
    edge = max(max(size) for size in sizes)
    steps, seen = job.training.steps, job.images_per_step
    yield from notes
    for phase, after, found in zip(every, every[1:], smaller):
        yield f"growth      steps {phase.start + 1:,} to {after.start:,} at {phase.edge} px: {_buckets(found.buckets)}"
    if smaller:
        early = f", earlier after {job.growth.plateau} measurements without gain" if job.growth.plateau else ""
        yield f"growth      from step {every[-1].start + 1:,} on at {every[-1].edge} px{early}"
    yield f"buckets     {_buckets(sizes)}"
    shown = steps * seen / max(1, trained)
    if views:
        yield f"control     {_buckets(views)}"
    yield f"steps       {steps:,} of {seen} image{'s' * (seen != 1)}: {shown:.3g} exposures per image"
    share = f"{reached.weights_share:.1%} of their weights"
    yield f"reach       {reached.matched_modules} of {reached.total_modules} layers, {share}"
    kept = -(-steps // job.saving.every_steps)
    keep = job.saving.keep
    yield f"checkpoints {kept} of them, " + (f"the newest {min(keep, kept)} kept" if keep else "all kept")
    shares = memory(job, reached, edge)
    for each in shares:
        yield f"memory      {each.name:<14} {_size(each.bytes):>8}  {each.how}"
    yield f"memory      {'together':<14} {_size(sum(each.bytes for each in shares)):>8}  on the device, at least"
    rate = speed(job)
    yield (
        f"time        {_clock(rate * steps)} at {rate:.3g} s a step"
        if rate
        else "time        known after the first steps"
    )
    for sentence in job.dropped:
        yield f"not honoured: {sentence}"


def _buckets(sizes: Counter[tuple[int, int]]) -> str:
    return ", ".join(f"{w}x{h}: {count}" for (w, h), count in sizes.most_common())


def _size(count: float) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e8 else f"{count / 1e6:.2f} MB"


def _clock(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"
