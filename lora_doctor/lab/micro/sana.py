"""Micro SANA: linear attention, a deep-compression autoencoder and Gemma 2, of `SanaPipeline`'s own classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import AutoencoderDC, FlowMatchEulerDiscreteScheduler, SanaPipeline, SanaTransformer2DModel
from torch import Tensor
from transformers import Gemma2Config, Gemma2Model

from ..world.vocabulary import PIXELS
from . import tokens
from .card import write_card
from .flow import draw as draw
from .flow import even as even
from .flow import noisy as noisy
from .flow import target as target
from .flow import weight as weight

PROMPT_TOKENS: Final = 28
LATENT_CHANNELS: Final = 32  # 64 px through a factor of 8 make 64 tokens
CALL: Final[dict[str, Any]] = {
    "height": PIXELS,
    "width": PIXELS,
    "num_inference_steps": 16,
    "guidance_scale": 3.0,
    "max_sequence_length": PROMPT_TOKENS,
    "complex_human_instruction": None,  # a micro encoder cannot read a page of instructions; it was trained without
    "use_resolution_binning": False,
}
PENALTY: Final = 1e-3  # on the square of latents, which have no prior of their own
SHAKE: Final = 0.05  # noise on latents while the autoencoder is trained, so that the decoder forgives small errors
RECIPE: Final[dict[str, Any]] = {
    "adapter.targets": "blocks",  # half of the weights are convolutions; without them a robot was learned at 27 %
    "training.steps": 300,
    "optimizer.learning_rate": 1.6e-3,
    "schedule.name": "cosine",
    "timesteps.shift": 3.0,
    "saving.every_steps": 50,
    "validation.every_steps": 150,
}


def autoencoder(channels: Sequence[int] = (16, 32, 64, 64)) -> AutoencoderDC:
    """The autoencoder: factor 8, residual blocks only."""
    blocks = len(channels)
    return AutoencoderDC(
        in_channels=3,
        latent_channels=LATENT_CHANNELS,
        attention_head_dim=16,
        encoder_block_types=("ResBlock",) * blocks,
        decoder_block_types=("ResBlock",) * blocks,
        encoder_block_out_channels=tuple(channels),
        decoder_block_out_channels=tuple(channels),
        encoder_layers_per_block=(1,) * blocks,
        decoder_layers_per_block=(1,) * blocks,
        encoder_qkv_multiscales=((),) * blocks,
        decoder_qkv_multiscales=((),) * blocks,
        decoder_norm_types="rms_norm",
        decoder_act_fns="silu",
    )


def reconstruct(vae: AutoencoderDC, pixels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pixels [B, 3, 64, 64] there and back through shaken latents, and the penalty on these."""
    latents = vae.encode(pixels).latent
    shaken = latents + SHAKE * torch.randn(latents.shape, generator=generator).to(latents)
    return vae.decode(shaken).sample, PENALTY * latents.float().square().mean()


def latents(vae: AutoencoderDC, pixels: Tensor) -> Tensor:
    """Raw latents [B, 32, 8, 8]."""
    raw: Tensor = vae.encode(pixels).latent
    return raw


def build(name: str, vae: AutoencoderDC) -> SanaPipeline:
    """A pipeline with fresh weights around a trained autoencoder. The predictions start at zero."""
    tokenizer = tokens.gemma(length=PROMPT_TOKENS)
    encoder = Gemma2Model(
        Gemma2Config(
            vocab_size=len(tokenizer),
            hidden_size=80,
            intermediate_size=160,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=20,
            query_pre_attn_scalar=20,
            max_position_embeddings=128,
            sliding_window=128,
            attn_implementation="eager",
            use_cache=False,
        )
    )
    transformer = SanaTransformer2DModel(
        patch_size=1,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        num_layers=6,
        num_attention_heads=4,
        attention_head_dim=32,
        num_cross_attention_heads=4,
        cross_attention_head_dim=32,
        cross_attention_dim=128,
        caption_channels=80,
        sample_size=PIXELS // 8,
        mlp_ratio=2.5,
        interpolation_scale=1,  # positions, as SANA has them for 2K and 4K; without, 38 % of places were obeyed
    )
    torch.nn.init.zeros_(transformer.proj_out.weight)
    scheduler = FlowMatchEulerDiscreteScheduler(shift=1.5)
    return SanaPipeline(tokenizer, encoder, vae, transformer, scheduler)


def embed(pipe: SanaPipeline, captions: Sequence[str]) -> dict[str, Tensor]:
    """Gemma's last states [B, 28, 80] and their mask, as the pipeline makes them, with gradients."""
    pipe.tokenizer.padding_side = "right"
    words = [text.lower().strip() for text in captions]
    texts = pipe.tokenizer(
        words,
        padding="max_length",
        truncation=True,
        max_length=PROMPT_TOKENS,
        add_special_tokens=True,
        return_tensors="pt",
    )
    device = pipe.transformer.device
    ids, attention = texts["input_ids"].to(device), texts["attention_mask"].to(device)
    return {"prompt_embeds": pipe.text_encoder(ids, attention_mask=attention)[0], "mask": attention}


def predict(pipe: SanaPipeline, noisy: Tensor, level: Tensor, prompt: dict[str, Tensor]) -> Tensor:
    """The velocity at noise level sigma [B] of latents [B, 32, 8, 8]."""
    out: Tensor = pipe.transformer(
        noisy,
        encoder_hidden_states=prompt["prompt_embeds"],
        encoder_attention_mask=prompt["mask"],
        timestep=level * 1000,
        return_dict=False,
    )[0]
    return out


def pack(vae: AutoencoderDC, latents: Tensor) -> Tensor:
    """Raw latents to unit variance."""
    scaled: Tensor = latents * vae.config.scaling_factor
    return scaled


def settle_statistics(vae: AutoencoderDC, latents: Tensor) -> None:
    """Sets the autoencoder's scaling factor from raw latents [N, 32, 8, 8]."""
    vae.register_to_config(scaling_factor=round(1 / latents.std().item(), 5))


def card(folder: Path) -> None:
    """Writes what a loader must know beside the pipeline."""
    told = ("max_sequence_length", "complex_human_instruction", "guidance_scale", "num_inference_steps")
    write_card(folder, RECIPE, resolution=PIXELS, **{name: CALL[name] for name in told})
