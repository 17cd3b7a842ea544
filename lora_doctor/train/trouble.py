"""What goes wrong while training, as one sentence with what to do."""

from __future__ import annotations

from collections.abc import Iterator

from lora_doctor.source.document import SourceError
from lora_doctor.train.folder import RunFolder, step_name
from lora_doctor.train.job import Job

_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")


class NotFiniteError(Exception):
    """A loss or gradient is no number: no step was made with it."""


def told(error: Exception, job: Job, folder: RunFolder) -> str | None:
    """The sentence for an expected trouble; None for a fault of ours."""
    if isinstance(error, SourceError):
        return error.sentence
    if isinstance(error, NotFiniteError):
        return f"{error}: no step was made with it; {_last(folder)}; {'; '.join(_calmer(job))}"
    if lacks_memory(error):
        return f"out of memory ({_first_line(error)}); {_last(folder)}; try {', '.join(_smaller(job))}"
    if isinstance(error, OSError):
        where = f" {error.filename}" if error.filename else ""
        return f"can't write or read{where}: {(error.strerror or str(error)).lower()}; {_last(folder)}"
    return None


def lacks_memory(error: Exception) -> bool:
    """Whether an error means that there is not enough memory; torch has no one type for it."""
    return isinstance(error, MemoryError) or any(word in str(error).lower() for word in _MEMORY)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]


def _last(folder: RunFolder) -> str:
    steps = folder.steps()
    return f"the last good checkpoint is {step_name(steps[-1])}" if steps else "no checkpoint was written yet"


def _calmer(job: Job) -> Iterator[str]:
    if job.precision.compute == "fp16":
        yield 'fp16 holds nothing above 65,504: precision.compute = "bf16"'
    elif "fp16" in (job.precision.base, job.precision.adapter):
        yield "fp16 weights overflow: store them in bf16"
    yield f"lower optimizer.learning_rate (now {job.optimizer.learning_rate:g}), then --resume"


def _smaller(job: Job) -> Iterator[str]:
    """What takes less memory, cheapest first, as far as it is not done already."""
    memory = job.memory
    if not memory.gradient_checkpointing:
        yield "memory.gradient_checkpointing = true"
    if job.training.batch_size > 1:
        yield f"training.batch_size = 1 with accumulation = {job.training.accumulation * job.training.batch_size}"
    if not (memory.cache_latents and memory.cache_text):
        yield "memory.cache_latents and cache_text = true"
    if job.precision.base not in ("fp8", "int8", "nf4"):
        yield 'precision.base = "fp8"'
    if not memory.offload:
        yield "memory.offload = true"
    if not memory.blocks_to_swap:
        yield "memory.blocks_to_swap = 8"
    edges = [edge for data in job.data for edge in data.resolution]
    yield f"a smaller buckets.resolution (now {max(edges, default=0)})"
    yield f"a lower adapter.rank (now {job.adapter.rank})"
