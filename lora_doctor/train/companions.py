"""What a LoRA must be loaded together with: copies in the run folder, metadata in its files, a sentence at the end.

A LoRA trained on top of others (`adapter.stack_on`, `adapter.merge`) means nothing without them. No torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from lora_doctor.adapter.facts import examine
from lora_doctor.adapter.needed import KEY, Needed, needed_by
from lora_doctor.adapter.read import AdapterError
from lora_doctor.source.document import SourceError
from lora_doctor.train.folder import WEIGHTS, RunFolder
from lora_doctor.train.job import Adapter, Job
from lora_doctor.train.targets import UnfitError
from lora_doctor.write import write_beside

_IN_FOLDER = (WEIGHTS["diffusers"], "adapter_model.safetensors", "adapter.safetensors")


def file_of(path: Path) -> Path:
    """The LoRA file that a path means: itself, or the one in a folder that diffusers or a run left."""
    if not path.is_dir():
        return path
    return next((path / name for name in _IN_FOLDER if (path / name).is_file()), path)


def check(adapter: Adapter) -> None:
    """Whether every LoRA that is built on is one that can be, and nothing is missing beneath it.

    Raises:
        UnfitError: a file is missing, is no plain LoRA, or was itself trained on top of one that is not named.
    """
    for key in ("merge", "stack_on"):
        for path in getattr(adapter, key):
            _check_kind(f"adapter.{key}", path)
    there = {digest(file_of(path)) for path in adapter.beneath}
    start = () if adapter.start_from is None else (adapter.start_from,)
    for path in (*adapter.beneath, *start):
        for needed in needs(path):
            if needed.sha256 not in there:
                why = f"{path} was trained on top of {needed.file} and means nothing without it"
                raise UnfitError("adapter.stack_on", f"{why}: name it here too (SHA-256 {needed.sha256[:12]}...)")


def in_encoders(path: Path) -> bool:
    """Whether a file changes text encoders, and so what captions become."""
    return any(not layer.denoiser for layer in examine(file_of(path)).layers)


def _check_kind(key: str, path: Path) -> None:
    if not path.exists():
        raise UnfitError(key, f"{path} does not exist")
    try:
        found = examine(file_of(path))
    except AdapterError as problem:
        raise UnfitError(key, problem.sentence) from problem
    dora = next((layer.name for layer in found.layers if layer.dora), None)
    if dora is not None:
        raise UnfitError(key, f"{path} is a DoRA: its change depends on the base's weights, and can only be continued "
                         "(`adapter.start_from`)")  # fmt: skip


def needs(path: Path) -> tuple[Needed, ...]:
    """What a LoRA file says that it must be loaded with; nothing where it can't be read, which is said elsewhere."""
    try:
        return needed_by(examine(file_of(path)).file.metadata)
    except AdapterError:
        return ()


def metadata(adapter: Adapter) -> dict[str, str]:
    """What a saved LoRA says of it; nothing where it stands alone."""
    if not adapter.beneath:
        return {}
    found = [Needed(name, digest(path))._asdict() for name, path in _named(adapter)]
    return {KEY: json.dumps(found)}


def keep(adapter: Adapter, folder: RunFolder) -> None:
    """Copy what lies beneath into the run folder.

    Raises:
        SourceError: the run was begun with other content under this name, or it can't be written.
    """
    for name, path in _named(adapter):
        copy, content = folder.beneath / name, path.read_bytes()
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            write_beside(copy, content)
        elif copy.read_bytes() != content:
            raise SourceError(f"{path} is not what this run was begun on top of ({copy}): name that copy, or give "
                              "another --output")  # fmt: skip


def copies(adapter: Adapter, folder: RunFolder) -> list[Path]:
    """The copies in the run folder, in the order they are added."""
    return [folder.beneath / name for name, _ in _named(adapter)]


def sentences(job: Job) -> Iterator[str]:
    """What to know of loading the result; nothing where it stands alone."""
    if job.adapter.text_encoder and job.model.family != "sdxl":
        where = RunFolder(job.output).checkpoints / "STEP" / "text_encoder"
        others = ", and ComfyUI loads it from `kohya` and `comfyui` files" if job.model.family == "flux2-klein" else ""
        yield (
            f"diffusers loads the transformer's LoRA and passes over the text encoder's: "
            f"pipeline.text_encoder.load_adapter('{where}') loads that part{others}"
        )
    if job.adapter.beneath:
        yield _together(job)


def _together(job: Job) -> str:
    folder = RunFolder(job.output)
    files = [str(path) for path in copies(job.adapter, folder)]
    checkpoint = folder.checkpoints / "STEP" / WEIGHTS["diffusers"]
    return (
        f"this LoRA is trained on top of {' and '.join(files)}: load them together, each at strength 1, or fold them "
        f"into one file: lora-doctor merge {' '.join([*files, str(checkpoint)])} --output FILE"
    )


def fold(adapter: Adapter, path: Path, output: Path) -> tuple[str, ...]:
    """Write a saved LoRA and all beneath it as one file: ranks add up, nothing is approximated."""
    from lora_doctor.adapter.combine import Member, merge  # numpy: not for who only looks

    if not adapter.beneath:
        return ("no folded file: nothing lies beneath this LoRA",)
    files = [path, *(file_of(each) for each in adapter.beneath)]
    try:
        merge([Member(examine(each), 1.0) for each in files], output, overwrite=True)
    except AdapterError as problem:
        return (f"no folded file: {problem.sentence}",)
    return ()


def _named(adapter: Adapter) -> Iterator[tuple[str, Path]]:
    """Names in the run folder: of two equal ones, the second gets its number."""
    seen: set[str] = set()
    for number, each in enumerate(adapter.beneath, 1):
        path = file_of(each)
        name = _title(path)
        name = f"{number}-{name}" if name in seen else name
        seen.add(name)
        yield name, path


def _title(path: Path) -> str:
    """A file's name; of a checkpoint in a run, the run's and the step: all their files are called alike."""
    parts = [part for part in path.parts[-4:-1] if part not in ("checkpoints", path.anchor)]
    return f"{'-'.join(parts[-2:])}.safetensors" if path.name in WEIGHTS.values() and parts else path.name


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
