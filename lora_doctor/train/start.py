"""A job becomes a run: load, inject, encode, restore; then the loop; then how it ended, in words and in `run.json`."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list, set_seed

from lora_doctor import __version__
from lora_doctor.source.document import SourceError
from lora_doctor.train import adapters, checkpoints, companions, exports, loading, memory, optimizers, run, together
from lora_doctor.train.cache import Store
from lora_doctor.train.ema import Average
from lora_doctor.train.encode import Tell, sources_of
from lora_doctor.train.families import Family, Models
from lora_doctor.train.feed import prepare
from lora_doctor.train.folder import RunFolder, note_failure, rewind, step_name, write_json
from lora_doctor.train.growth import Growing, Growth, grown
from lora_doctor.train.images import read_pictures
from lora_doctor.train.interrupt import Interrupt
from lora_doctor.train.job import Job
from lora_doctor.train.launch import rank
from lora_doctor.train.live import Live
from lora_doctor.train.lock import alone
from lora_doctor.train.loggers import Loggers
from lora_doctor.train.monitors import Monitors
from lora_doctor.train.preflight import preflight
from lora_doctor.train.resume import as_asked, position_of
from lora_doctor.train.stop import Stops
from lora_doctor.train.targets import said
from lora_doctor.train.toml import as_toml
from lora_doctor.train.trouble import told
from lora_doctor.train.validation import Samples
from lora_doctor.train.view import View
from lora_doctor.train.watch import Watchers
from lora_doctor.write import write_beside

Say = Callable[[str], None]
CODES = {"finished": 0, "stopped": 0, "interrupted": 130}  # exit codes


def train(
    job: Job, watchers: Watchers, say: Say, checkpoint: Path | None = None, progress: Tell | None = None
) -> run.End:
    """Run a job from its start, or on from a checkpoint.

    Raises:
        SourceError: the model, the data, the disk or the numbers don't allow it.
    """
    preflight(job)
    folder = RunFolder(job.output)
    begun = time.time()
    with Interrupt(say) as interrupt, alone(folder, job.reasons.get("output", "")):
        try:
            with together.noticing(), together.own_folder(folder) as own:
                made = assemble(job, watchers, say, interrupt, checkpoint, progress)._replace(folder=own)
                made = _gone_on(made, checkpoint)
                _write_run(made, "running", "", made.start, begun)
                end = run.loop(made)
                _write_run(made, end.status, end.reason, end.step, begun)
        except together.LostPeerError as error:
            note_failure(folder, error.sentence, overwrite=False)
            raise
        except Exception as error:
            sentence = told(error, job, folder)
            if sentence is None:
                raise
            note_failure(folder, sentence)
            raise SourceError(f"process {rank()}: {sentence}" if rank() else sentence) from None
    made.accelerator.end_training()
    return end


def watchers_of(live: Live, say: Say) -> Watchers:
    """Who looks at a run."""
    view = View(live)
    view.monitors = Monitors(say, view.doing)
    samples = Samples(say, view.doing)
    return Watchers((view, view.monitors, samples, Stops(), Loggers(say)))


def watchers_beside(job: Job) -> Watchers:
    """Who looks at a run in another process than the first: nobody, or what computes together with the first."""
    if not job.parted or rank() >= job.memory.pipeline_stages > 1:
        return Watchers()
    return Watchers((Monitors(lambda _: None), Samples(lambda _: None)))


def assemble(
    job: Job,
    watchers: Watchers,
    say: Say,
    interrupt: Interrupt,
    checkpoint: Path | None = None,
    progress: Tell | None = None,
) -> run.Run:
    """Everything a loop needs."""
    loading.quieten()
    accelerator = together.begun(_mixed(job))
    folder = RunFolder(job.output)
    set_seed(job.training.seed)
    Store(job.memory.cache_folder or folder.cache)  # it can be written, or this is said before a weight is loaded
    with together.first(accelerator):  # the others find on disk what it examined
        images = read_pictures(job, tell=progress)
    family, models = loading.load(job, accelerator.device)
    for note in models.notes:
        say(note)
    if accelerator.is_main_process:
        companions.keep(job.adapter, folder)
    reach = adapters.inject(family, models, job.adapter, dtype=job.precision.adapter, seed=job.training.seed)
    if job.adapter.start_from is not None:
        say(exports.begin_from(family, models, job.adapter))
    weights = adapters.trainable(family, models)
    for component, found in reach.items():
        count = sum(p.numel() for name, p in weights.items() if name.startswith(f"{component}."))
        say(f"{component}: {said(found, count)}")
    line = together.parted(job, models, weights.values(), accelerator)
    if job.memory.compile:
        models.denoiser.compile()
    average = Average(weights, job.optimizer.ema_decay) if job.optimizer.ema else None
    optimizer = optimizers.build(job, _groups(job, family, weights))
    if accelerator.scaler is not None:  # all that accelerate's wrapper adds; it looks for a package at every step
        optimizer = accelerator.prepare_optimizer(optimizer)
    encode = partial(
        prepare,
        found=images,
        sources=sources_of(job, family, models),
        prompts=job.validation.prompts,
        folder=job.memory.cache_folder or folder.cache,
        rank=accelerator.process_index,
        ranks=accelerator.num_processes,
        row=(accelerator.process_index // job.memory.pipeline_stages, job.copies),
        tell=progress,
        wait=accelerator.wait_for_everyone,
    )
    data = grown(job, encode, _agreed if accelerator.num_processes > 1 else None)
    if isinstance(data.steps, Growing) and accelerator.is_main_process:
        watchers = Watchers((*watchers.all, Growth(data.steps, say)))
    _make_room(job, models)
    for note in data.notes:
        say(note)
    return run.Run(
        job, folder, family, models, weights, data, optimizer, average, accelerator, watchers, interrupt,
        say=say, line=line,
    )  # fmt: skip


def _agreed(starts: list[int]) -> list[int]:
    """The first process' list, in all of them."""
    told = list(starts)
    broadcast_object_list(told)
    return told


def _make_room(job: Job, models: Models) -> None:
    """The VAE leaves the device until samples are drawn; text encoders that nobody asks any more are given up."""
    if job.memory.cache_latents:
        models.vae.to("cpu")
    if job.memory.cache_text and not job.adapter.text_encoder:
        for encoder in models.text_encoders:
            memory.emptied(encoder)
    memory.give_back()


def _gone_on(made: run.Run, checkpoint: Path | None) -> run.Run:
    """The run as it stood at a checkpoint, or at its beginning: what was half written or logged since is forgotten."""
    main, whole = made.accelerator.is_main_process, RunFolder(made.job.output)
    if main:
        checkpoints.tidy(made.folder)
    step = checkpoints.restore(checkpoint, run.resumable(made, 0)) if checkpoint is not None else 0
    if main and (checkpoint is None or checkpoint.parent == made.folder.checkpoints):
        rewind(made.folder, step)
    made.accelerator.wait_for_everyone()
    if not main and whole.samples.is_file():  # all draw what is not there yet, where all compute together
        shutil.copy(whole.samples, made.folder.samples)
    if checkpoint is None:
        return made
    position = position_of(checkpoint)
    if position is not None:
        made.data.steps.goes_on(step, position.place)
    made.say(f"going on from {checkpoint}, step {step} of {made.job.training.steps}")
    return made._replace(start=step)


def _mixed(job: Job) -> str:
    """The loss scaler that fp16 needs is accelerate's part; the denoiser computes in its own format anyway."""
    return "fp16" if job.precision.compute == "fp16" and torch.cuda.is_available() else "no"


def _groups(job: Job, family: Family, weights: Mapping[str, torch.nn.Parameter]) -> list[dict[str, Any]]:
    """The denoiser's adapter, and the text encoders' with a rate of their own."""
    own = job.optimizer.text_encoder_learning_rate
    rates = job.optimizer.learning_rate, job.optimizer.learning_rate if own is None else own
    parts = [{}, {}]  # type: list[dict[str, torch.nn.Parameter]]
    for name, weight in weights.items():
        parts[not name.startswith(f"{family.DENOISER}.")][name] = weight
    return [{"params": list(part.values()), "lr": rate} for part, rate in zip(parts, rates) if part]


def _write_run(made: run.Run, status: str, reason: str, step: int, begun: float) -> None:
    """`run.json`; the run's config beside it, once."""
    if not made.accelerator.is_main_process:
        return
    job, folder = made.job, made.folder
    if status == "running":
        write_beside(folder.config, as_toml(as_asked(job)).encode())
    record = {
        "version": 1,
        "status": status,
        "reason": reason,
        "step": step,
        "steps": job.training.steps,
        "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begun)),
        "seconds": round(time.time() - begun, 1),
        "family": job.model.family,
        "size": job.model.size,
        "model": str(job.model.path),
        "images": made.data.trained,
        "held_out": len(made.data.held_out),
        "parameters": sum(weight.numel() for weight in made.weights.values()),
        "checkpoints": [step_name(each) for each in folder.steps()],
        "device": _device(made.accelerator.device),
        "processes": made.accelerator.num_processes,
        "versions": {"lora-doctor": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "load_with": [path.name for path in companions.copies(job.adapter, folder)],
        "dropped": list(job.dropped),
    }
    write_json(folder.run, record)


def _device(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
