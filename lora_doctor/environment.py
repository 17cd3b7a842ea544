"""The machine a run would start on: asked for with `--environment`, never guessed, nothing sent or changed."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from lora_doctor.plan import Plan

PACKAGES = ("torch", "bitsandbytes", "deepspeed", "diffusers", "xformers", "toml")
GIB = 1024**3


class Gpu(NamedTuple):
    """One NVIDIA card: memory in bytes, capability as (12, 0) for sm_120."""

    name: str
    memory: int
    capability: tuple[int, int] | None = None


class Environment(NamedTuple):
    """What is known of this machine; None where it could not be found out.

    `packages` are those of the Python that runs lora-doctor, which may not be the trainer's: a rule speaks of them only
    where they are there. `gpus` is None where `nvidia-smi` is not.
    """

    plan: Plan
    system: str = "linux"  # linux, windows, darwin
    wsl: bool = False
    memory: int | None = None  # bytes of RAM
    python: tuple[int, int] = (3, 12)
    packages: Mapping[str, str] = MappingProxyType({})  # installed versions
    token: bool | None = None  # whether a Hugging Face token is on this machine
    gpus: tuple[Gpu, ...] | None = None

    def version(self, package: str) -> tuple[int, ...] | None:
        """An installed package's version as numbers, `0.50.2` as (0, 50, 2); None where it is not installed."""
        return numbers(self.packages[package]) if package in self.packages else None


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: `2.7.1+cu128` is (2, 7, 1)."""
    parts = []
    for part in version.partition("+")[0].split("."):
        digits = part[: next((i for i, c in enumerate(part) if not c.isdigit()), len(part))]
        if not digits:
            break
        parts.append(int(digits))
    return tuple(parts)


def probe(plan: Plan) -> Environment:
    """This machine, as far as it can be asked without importing a training library."""
    return Environment(
        plan,
        system=_system(),
        wsl=_wsl(),
        memory=_memory(),
        python=sys.version_info[:2],
        packages=_packages(),
        token=_token(),
        gpus=_gpus(),
    )


def described(text: str, plan: Plan) -> Environment:
    """An environment written down, one `name: value` a line, as the examples of rules give it.

    `gpu: NVIDIA GeForce RTX 5090, 32607, 12.0` is a line of `nvidia-smi`, `memory` in GB; packages go by their names.
    """
    lines = [line.partition(":") for line in text.splitlines() if line.strip()]
    told = {name.strip(): value.strip() for name, _, value in lines}
    gpus = tuple(gpu for name, _, value in lines if name.strip() == "gpu" and (gpu := _gpu(value)))
    memory, python = told.get("memory"), numbers(told.get("python", "3.12"))
    return Environment(
        plan,
        system=told.get("system", "linux"),
        wsl=told.get("wsl") == "yes",
        memory=int(float(memory.removesuffix("GB")) * GIB) if memory else None,
        python=(python[0], python[1]),
        packages={name: value for name, value in told.items() if name in PACKAGES},
        token=None if "token" not in told else told["token"] == "yes",
        gpus=gpus or None,
    )


def _system() -> str:
    return {"win32": "windows", "cygwin": "windows"}.get(sys.platform, sys.platform.rstrip("0123456789"))


def _wsl() -> bool:
    try:
        return "microsoft" in Path("/proc/version").read_text(encoding="utf-8", errors="replace").lower()
    except OSError:
        return False


def _memory() -> int | None:
    try:
        return int(os.sysconf("SC_PAGE_SIZE")) * int(os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return None


@cache
def _packages() -> dict[str, str]:
    from importlib import metadata

    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _token() -> bool:
    """Whether a token is there; it is not read."""
    if os.environ.get("HF_TOKEN") or os.environ.get("HUGGING_FACE_HUB_TOKEN"):
        return True
    home = os.environ.get("HF_HOME") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "huggingface"
    )
    return os.path.isfile(os.environ.get("HF_TOKEN_PATH") or os.path.join(home, "token"))


@cache
def _gpus() -> tuple[Gpu, ...] | None:
    import subprocess

    command = ["nvidia-smi", "--query-gpu=name,memory.total,compute_cap", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    gpus = tuple(gpu for line in answer.stdout.splitlines() if (gpu := _gpu(line)))
    return gpus or None


def _gpu(line: str) -> Gpu | None:
    """`NVIDIA GeForce RTX 5090, 32607, 12.0`: name, MiB, compute capability (older drivers don't tell the last)."""
    parts = [part.strip() for part in line.split(",")]
    if len(parts) < 2 or not parts[1].isdigit():
        return None
    capability = numbers(parts[2]) if len(parts) > 2 else ()
    return Gpu(parts[0], int(parts[1]) * 1024**2, (capability[0], capability[1]) if len(capability) > 1 else None)
