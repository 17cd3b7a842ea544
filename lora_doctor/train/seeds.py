"""Random numbers as a function of seed, step and batch: nothing drawn elsewhere can shift them, no state to save.

A step's batches are counted over all processes, so that what is drawn for one does not depend on who computes it.
"""

from __future__ import annotations

import hashlib

import torch


def seed_of(*parts: int) -> int:
    """A seed for `torch.Generator` that has nothing to do with those of neighbouring numbers."""
    digest = hashlib.blake2b(",".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1  # 63 bits: torch takes signed numbers


def seed_batch(seed: int, step: int, number: int) -> None:
    """Seed torch's own generators (dropout draws from them) for one batch of an optimiser step.


    What `torch.manual_seed` does, but for devices that are not in use: there it notes down the stack at every call.
    """
    own = seed_of(seed, step, number)
    torch.default_generator.manual_seed(own)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(own)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(own)
