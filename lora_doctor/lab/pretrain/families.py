"""The micro pipelines by name: whose module asks them, which autoencoder they share, which block is guided."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final, NamedTuple

from ..micro import klein, sana, sdxl
from .denoiser import Model


class Micro(NamedTuple):
    """`module` of `lab.micro`, name of the autoencoder's folder, and the model under pretraining for a pipeline."""

    module: ModuleType
    autoencoder: str
    model: Callable[[Any], Model]


def _klein(pipe: Any) -> Model:
    transformer = pipe.transformer
    guided = transformer.single_transformer_blocks[1]
    return Model(pipe, klein, transformer, (pipe.text_encoder,), guided, transformer.inner_dim, 64)


def _sdxl(pipe: Any) -> Model:
    unet = pipe.unet
    width = unet.config.block_out_channels[-1]
    return Model(pipe, sdxl, unet, (pipe.text_encoder, pipe.text_encoder_2), unet.mid_block, width, 64)


def _sana(pipe: Any) -> Model:
    transformer = pipe.transformer
    return Model(pipe, sana, transformer, (pipe.text_encoder,), transformer.transformer_blocks[2], 128, 64)


FAMILIES: Final = {
    **{name: Micro(klein, "vae", _klein) for name in klein.WIDTHS},
    "sana": Micro(sana, "dc-ae", _sana),
    "sdxl": Micro(sdxl, "vae", _sdxl),  # the same autoencoder in its other class
}
