"""The judge's weights: bf16 safetensors in the package, loaded once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from .network import Network

WEIGHTS: Final = Path(__file__).parent.parent / "weights" / "judge.safetensors"


class Judge(NamedTuple):
    """The network, and the temperature [11] of each head."""

    network: Network
    temperatures: Tensor


def write_weights(path: Path, network: nn.Module, **more: Tensor) -> None:
    """A network in bf16 (running variances lose under half a percent), `more` in fp32; written beside and renamed."""
    tensors = {name: t.to(torch.bfloat16) for name, t in network.state_dict().items() if "num_batches" not in name}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".tmp")
    save_file({**{n: t.contiguous() for n, t in tensors.items()}, **{n: t.float() for n, t in more.items()}}, partial)
    partial.replace(path)


def read_weights(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """Fills a network from `path`, ready to look; what else stands there is returned."""
    tensors = {name: t.float() for name, t in load_file(path).items()}
    _, more = network.load_state_dict(tensors, strict=False)
    network.eval()
    return {name: tensors[name] for name in more}


@cache
def judge(path: Path = WEIGHTS) -> Judge:
    """The shipped judge."""
    network = Network()
    return Judge(network, read_weights(path, network)["temperatures"])
