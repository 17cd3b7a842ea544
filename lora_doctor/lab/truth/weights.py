"""The judge's weights: bf16 safetensors in the package, loaded once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from .network import Network

WEIGHTS: Final = Path(__file__).parent.parent / "weights" / "judge.safetensors"


class Judge(NamedTuple):
    """The network, and the temperature [11] of each head."""

    network: Network
    temperatures: Tensor


def write_weights(path: Path, network: Network, temperatures: Tensor) -> None:
    """Everything in bf16 (running variances lose under half a percent), written beside and renamed."""
    tensors = {name: t.to(torch.bfloat16) for name, t in network.state_dict().items() if "num_batches" not in name}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".tmp")
    save_file({**{n: t.contiguous() for n, t in tensors.items()}, "temperatures": temperatures.float()}, partial)
    partial.replace(path)


@cache
def judge(path: Path = WEIGHTS) -> Judge:
    """The shipped judge, ready to look."""
    tensors = load_file(path)
    temperatures = tensors.pop("temperatures")
    network = Network()
    network.load_state_dict({name: t.float() for name, t in tensors.items()}, strict=False)
    return Judge(network.eval(), temperatures)
