"""Micro FLUX.2 Klein: the real classes of `Flux2KleinPipeline`, small, in two widths that do not mix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from diffusers import AutoencoderKLFlux2, FlowMatchEulerDiscreteScheduler, Flux2KleinPipeline, Flux2Transformer2DModel
from torch import Tensor
from transformers import Qwen3Config, Qwen3ForCausalLM

from ..world.vocabulary import PIXELS
from . import tokens
from .card import write_card
from .flow import draw as draw
from .flow import even as even
from .flow import noisy as noisy
from .flow import target as target
from .flow import weight as weight

PROMPT_TOKENS: Final = 24  # longest caption of the world and a few tokens for a trigger or a style
ENCODER_LAYERS: Final = (1, 2, 3)  # the micro encoder has three; Klein reads 9, 18 and 27 of Qwen3
LATENT_CHANNELS: Final = 8
KL: Final = 3e-4
CALL: Final[dict[str, Any]] = {  # what the pipeline must be told, since diffusers stores none of it
    "height": PIXELS,
    "width": PIXELS,
    "num_inference_steps": 16,
    "guidance_scale": 3.0,
    "max_sequence_length": PROMPT_TOKENS,
    "text_encoder_out_layers": ENCODER_LAYERS,
}
LATENT_EDGE: Final = 16  # 64 px through a VAE of factor 4; patches of 2 x 2 make 64 tokens


class Width(NamedTuple):
    """Heads of 32, number of single blocks, hidden size of the text encoder."""

    heads: int
    singles: int
    encoder: int


WIDTHS: Final = {"klein-9b": Width(5, 5, 96), "klein-4b": Width(3, 5, 64)}
RECIPE: Final[dict[str, Any]] = {  # docs/lab.md, "What a LoRA teaches it"
    "training.steps": 240,
    "optimizer.learning_rate": 1e-3,
    "schedule.name": "cosine",
    "timesteps.shift": 3.0,
    "saving.every_steps": 40,
    "validation.every_steps": 120,
}


def autoencoder(channels: Sequence[int] = (16, 32, 64)) -> AutoencoderKLFlux2:
    """The VAE: factor 4, one normalisation group, residual branches that start at zero.

    Few channels per group erase a picture's mean colour (measured: green squares came back grey with eight groups).
    """
    vae = AutoencoderKLFlux2(
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        up_block_types=("UpDecoderBlock2D",) * len(channels),
        block_out_channels=tuple(channels),
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=1,
        sample_size=64,
        mid_block_add_attention=False,
    )
    for name, parameter in vae.named_parameters():
        if name.endswith(("conv2.weight", "conv2.bias")):
            torch.nn.init.zeros_(parameter)
    return vae


def reconstruct(vae: AutoencoderKLFlux2, pixels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pixels [B, 3, 64, 64] there and back through sampled latents, and the penalty on these: a whisper of KL."""
    mean, spread = vae.quant_conv(vae.encoder(pixels)).float().chunk(2, 1)
    spread = spread.clamp(-12, 8)
    noise = torch.randn(mean.shape, generator=generator).to(mean)
    back: Tensor = vae.decoder(vae.post_quant_conv(mean + noise * (0.5 * spread).exp()))
    return back, KL * 0.5 * (mean**2 + spread.exp() - 1 - spread).mean()


def latents(vae: AutoencoderKLFlux2, pixels: Tensor) -> Tensor:
    """Raw latents [B, 8, 16, 16]: the posterior's mode."""
    mode: Tensor = vae.encode(pixels).latent_dist.mode()
    return mode


def build(name: str, vae: AutoencoderKLFlux2) -> Flux2KleinPipeline:
    """A pipeline with fresh weights around a trained VAE. The predictions start at zero."""
    width = WIDTHS[name]
    tokenizer = tokens.qwen()
    encoder = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=width.encoder,
            intermediate_size=2 * width.encoder,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=width.encoder // 4,
            max_position_embeddings=128,
            tie_word_embeddings=True,
            pad_token_id=0,
            eos_token_id=0,
            bos_token_id=None,
            use_cache=False,
        )
    )
    transformer = Flux2Transformer2DModel(
        patch_size=1,
        in_channels=4 * LATENT_CHANNELS,
        num_layers=1,
        num_single_layers=width.singles,
        attention_head_dim=32,
        num_attention_heads=width.heads,
        joint_attention_dim=len(ENCODER_LAYERS) * width.encoder,
        timestep_guidance_channels=64,
        mlp_ratio=3.0,
        axes_dims_rope=(4, 12, 12, 4),
        rope_theta=100,
        guidance_embeds=False,
    )
    torch.nn.init.zeros_(transformer.proj_out.weight)
    scheduler = FlowMatchEulerDiscreteScheduler(shift=1.5, use_dynamic_shifting=False)
    return Flux2KleinPipeline(scheduler, vae, encoder, tokenizer, transformer)


def embed(pipe: Flux2KleinPipeline, captions: Sequence[str]) -> dict[str, Tensor]:
    """Prompt embeddings [B, 24, 3 * hidden] as the pipeline makes them, with gradients."""
    texts = pipe.tokenizer(
        list(captions), padding="max_length", truncation=True, max_length=PROMPT_TOKENS, return_tensors="pt"
    )
    device = pipe.transformer.device
    ids, attention = texts["input_ids"].to(device), texts["attention_mask"].to(device)
    states = pipe.text_encoder.model(ids, attention, output_hidden_states=True, use_cache=False).hidden_states
    return {"prompt_embeds": torch.cat([states[layer] for layer in ENCODER_LAYERS], -1)}


def predict(pipe: Flux2KleinPipeline, noisy: Tensor, level: Tensor, prompt: dict[str, Tensor]) -> Tensor:
    """The velocity at noise level sigma [B] of packed latents [B, 64, 32]."""
    edge = LATENT_EDGE // 2
    places = Flux2KleinPipeline._prepare_latent_ids(torch.zeros(1, 1, edge, edge))[0].float().to(noisy.device)
    words = Flux2KleinPipeline._prepare_text_ids(torch.zeros(1, PROMPT_TOKENS, 1))[0].float().to(noisy.device)
    out: Tensor = pipe.transformer(
        hidden_states=noisy,
        encoder_hidden_states=prompt["prompt_embeds"],
        timestep=level,
        img_ids=places,
        txt_ids=words,
        return_dict=False,
    )[0]
    return out


def pack(vae: AutoencoderKLFlux2, latents: Tensor) -> Tensor:
    """Raw latents [B, 8, 16, 16] to what the transformer sees [B, 64, 32], by the VAE's batch-norm statistics."""
    patches = Flux2KleinPipeline._patchify_latents(latents)
    mean, deviation = _statistics(vae)
    packed: Tensor = Flux2KleinPipeline._pack_latents((patches - mean) / deviation)
    return packed


def unpack(vae: AutoencoderKLFlux2, packed: Tensor) -> Tensor:
    """The inverse of `pack`."""
    edge = LATENT_EDGE // 2
    mean, deviation = _statistics(vae)
    patches = packed.transpose(1, 2).reshape(len(packed), -1, edge, edge)
    latents: Tensor = Flux2KleinPipeline._unpatchify_latents(patches * deviation + mean)
    return latents


def settle_statistics(vae: AutoencoderKLFlux2, latents: Tensor) -> None:
    """Fills the VAE's batch-norm statistics from raw latents [N, 8, 16, 16]."""
    patches = Flux2KleinPipeline._patchify_latents(latents)
    vae.bn.running_mean.copy_(patches.mean((0, 2, 3)))
    vae.bn.running_var.copy_(patches.var((0, 2, 3)))


def card(folder: Path) -> None:
    """Writes what a loader must know beside the pipeline."""
    write_card(
        folder, RECIPE, resolution=PIXELS, **{name: CALL[name] for name in CALL if name not in ("height", "width")}
    )


def _statistics(vae: Any) -> tuple[Tensor, Tensor]:
    mean = vae.bn.running_mean.view(1, -1, 1, 1)
    return mean, torch.sqrt(vae.bn.running_var.view(1, -1, 1, 1) + vae.config.batch_norm_eps)
