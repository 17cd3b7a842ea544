"""When files of a dataset were last changed: what an old cache is compared with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lora_doctor.dataset.listing import Listing

MAX_LOOKED_AT = 5000  # files whose time is read for one dataset
MARGIN = 2.0  # seconds: copying a folder writes its files in any order


def changed(folder: Path, names: Iterable[str]) -> dict[str, float]:
    """Seconds since 1970 at which each file was last changed; files that can't be read are left out."""
    times = {}
    for name in list(names)[:MAX_LOOKED_AT]:
        try:
            times[name] = (folder / name).stat().st_mtime
        except OSError:
            continue
    return times


def newer(folder: Path, names: Iterable[str], moment: float) -> list[str]:
    """The files changed after `moment`, by more than the margin."""
    return [name for name, time in changed(folder, names).items() if time > moment + MARGIN]


def latents(caches: Listing, model: str) -> list[str]:
    """diffusion-pipe's cached latents of one model type: FLUX.2 has a folder for each size (`flux2_klein_9b`)."""
    folders = {name.partition("/")[0] for name in caches.others}
    own = {folder for folder in folders if folder == model or folder.startswith(f"{model}_klein_")}
    return [name for name in caches.others if name.partition("/")[0] in own and "/latents/" in name]
