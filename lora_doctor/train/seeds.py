"""Random numbers as a function of (seed, step, device): nothing drawn elsewhere can shift them, no state to save."""

from __future__ import annotations

import hashlib

import torch


def seed_of(*parts: int) -> int:
    """A seed for `torch.Generator` that has nothing to do with those of neighbouring numbers."""
    digest = hashlib.blake2b(",".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1  # 63 bits: torch takes signed numbers


def seed_step(seed: int, step: int, rank: int) -> None:
    """Seed torch's own generators (dropout draws from them) for one optimiser step."""
    torch.manual_seed(seed_of(seed, step, rank))
