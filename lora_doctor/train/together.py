"""Several processes that train one LoRA: who is the first, how they find each other, how one learns of another's end.

They are started by `lora-doctor train --num-processes N` (`launch`), or by `accelerate launch -m lora_doctor.train`
and torchrun on one machine or several, and know their place from the environment (`RANK`, `WORLD_SIZE`).
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs
from torch.distributed.fsdp import fully_shard

from lora_doctor.source.document import SourceError
from lora_doctor.train import pipeline
from lora_doctor.train.families import Models
from lora_doctor.train.folder import RunFolder
from lora_doctor.train.job import Job
from lora_doctor.train.launch import processes, rank
from lora_doctor.train.storage import blocks_of

# The first process may draw sample images, or encode an hour, while the others wait. A process that dies is noticed at
# once, by its closed connections (gloo) or by who started it (NCCL).
PATIENCE = timedelta(hours=12)
LOST = (
    "connection closed by peer",
    "connection reset by peer",
    "socket closed",
    "broken pipe",
    "remote process exited",
)


class LostPeerError(SourceError):
    """Another process of the run is gone; what ended it says so itself, or who started it does."""


def begun(mixed_precision: str) -> Accelerator:
    """This process' place among the others, and its device.

    Raises:
        SourceError: more processes than GPUs, DeepSpeed, a peer that never came.
    """
    _check_environment()
    gpus, others = torch.cuda.is_available(), processes()
    backend = "gloo" if gpus and not torch.distributed.is_nccl_available() else None  # on Windows
    kwargs = InitProcessGroupKwargs(backend, timeout=PATIENCE)
    cpu = bool(others and others > 1 and not torch.accelerator.is_available())  # what accelerate wants to be told
    found = Accelerator(mixed_precision=mixed_precision, cpu=cpu, kwargs_handlers=[kwargs])
    if others and found.num_processes != others:
        raise SourceError(f"{others} processes were started, and accelerate knows no way to join them on this machine")
    return found


def _check_environment() -> None:
    if os.environ.get("ACCELERATE_USE_DEEPSPEED", "").lower() == "true":
        raise SourceError(
            "accelerate was told to use DeepSpeed, which lora-doctor does not: the base model is frozen, and what a "
            "LoRA's own optimiser holds is small; take --multi_gpu"
        )
    if os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true":
        raise SourceError(
            "accelerate was told to use FSDP, and its plan knows nothing of adapters: set `memory.shard = true` in the "
            "config, and take --multi_gpu"
        )
    local, gpus = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.cuda.device_count()
    if torch.cuda.is_available() and local > gpus:
        here = f"{gpus} GPU{'s' * (gpus != 1)} on this machine"
        raise SourceError(f"{local} processes, and {here}: --num-processes {gpus}")


@contextmanager
def noticing() -> Iterator[None]:
    """Inside, the end of another process is a `LostPeerError`.

    torch has types for some backends' errors; gloo's are RuntimeErrors that say it in words.
    """
    try:
        yield
    except torch.distributed.DistError as error:
        raise LostPeerError(_sentence(error)) from None
    except RuntimeError as error:
        if torch.distributed.is_initialized() and any(word in str(error).lower() for word in LOST):
            raise LostPeerError(_sentence(error)) from None
        raise


def _sentence(error: Exception) -> str:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return f"another process of this run has ended ({first})"


def parted(
    job: Job, models: Models, trained: Iterable[torch.nn.Parameter], accelerator: Accelerator
) -> pipeline.Line | None:
    """Leave each process its part of the base, where a job asks for that; the stage that it is, where it is one."""
    if job.sharded:
        shard(models.denoiser, trained)
    if job.memory.pipeline_stages == 1:
        return None
    place = pipeline.placed(job.memory.pipeline_stages, accelerator.process_index, accelerator.num_processes)
    return pipeline.Line(models, place)


def shard(denoiser: Any, trained: Iterable[torch.nn.Parameter]) -> None:
    """Leave each process a part of the frozen weights; every block is put together while it is computed (FSDP2).

    The adapter stays whole everywhere: it is small, and optimiser, checkpoints and average know nothing of this.
    """
    whole = set(trained)
    # what it warns of, changing a prediction in place, no family does
    warnings.filterwarnings("ignore", "FSDP2-wrapped module", UserWarning)
    for module in (*blocks_of(denoiser), denoiser):
        # always apart after a forward: the first process alone reads the state, which takes it apart there
        fully_shard(module, reshard_after_forward=True, ignored_params=whole & set(module.parameters()))


@contextmanager
def own_folder(folder: RunFolder) -> Iterator[RunFolder]:
    """Where this process writes: the first in the run's folder, the others in one that is gone afterwards."""
    if not rank():
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="lora-doctor-") as place:
        yield RunFolder(Path(place))


@contextmanager
def first(accelerator: Accelerator) -> Iterator[None]:
    """Inside is the first process, and then the others: what it keeps on disk they find there."""
    if not accelerator.is_main_process:
        accelerator.wait_for_everyone()
    yield
    if accelerator.is_main_process:
        accelerator.wait_for_everyone()
