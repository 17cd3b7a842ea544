"""A second task while pretraining: from a middle block, say of every token what is there.

The world knows what each picture shows, so a linear head can ask for it (subject, colour, texture, ground... per
token). Representation alignment speeds up diffusion transformers many times (REPA, arXiv:2410.06940); here the truth
replaces a pretrained encoder. The head is thrown away.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..world.scene import Scene
from ..world.vocabulary import ATTRIBUTES, SUBJECTS

ON_SUBJECT = ("subject", "colour", "texture", "material", "light", "medium")
ON_GROUND = ("ground", "background")
CLASSES = {name: SUBJECTS if name == "subject" else ATTRIBUTES[name] for name in (*ON_SUBJECT, *ON_GROUND)}


def labels(scenes: list[Scene]) -> Tensor:
    """Class indices [N, 8] of the scenes, in the order of `CLASSES`."""
    rows = [[CLASSES[name].index(getattr(scene, name)) for name in CLASSES] for scene in scenes]
    return torch.from_numpy(np.array(rows, np.int64))


class Guide(nn.Module):
    """A linear head on one block's tokens; `watch` hooks it up."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.head = nn.Linear(width, sum(len(c) for c in CLASSES.values()))
        self.seen: Tensor | None = None

    def watch(self, block: nn.Module, tokens: int) -> None:
        """Keeps the last `tokens` outputs of the block, which are the picture's."""

        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            seen = output[-1] if isinstance(output, tuple) else output
            self.seen = seen.flatten(2).transpose(1, 2) if seen.ndim == 4 else seen[:, -tokens:]

        block.register_forward_hook(keep)

    def loss(self, maps: Tensor, classes: Tensor) -> Tensor:
        """Binary cross entropy against share of subject (or ground) times class: maps [B, T], classes [B, 8]."""
        assert self.seen is not None
        goal = []
        for column, (name, words) in enumerate(CLASSES.items()):
            share = maps if name in ON_SUBJECT else 1 - maps
            goal.append(share[..., None] * functional.one_hot(classes[:, column], len(words))[:, None])
        return functional.binary_cross_entropy_with_logits(self.head(self.seen.float()), torch.cat(goal, -1).float())
