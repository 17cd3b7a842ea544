"""Random numbers as a function of (seed, step, device): nothing drawn elsewhere can shift them, no state to save."""

from __future__ import annotations

import hashlib

import torch


def seed_of(*parts: int) -> int:
    """A seed for `torch.Generator` that has nothing to do with those of neighbouring numbers."""
    digest = hashlib.blake2b(",".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1  # 63 bits: torch takes signed numbers


def seed_step(seed: int, step: int, rank: int) -> None:
    """Seed torch's own generators (dropout draws from them) for one optimiser step.

    What `torch.manual_seed` does, but for devices that are not in use: there it notes down the stack at every call.
    """
    number = seed_of(seed, step, rank)
    torch.default_generator.manual_seed(number)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(number)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(number)
