"""Micro SDXL: UNet, two CLIP encoders, KL VAE, noise prediction: the classes of `StableDiffusionXLPipeline`, small."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLFlux2,
    DDPMScheduler,
    EulerDiscreteScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from ..world.vocabulary import PIXELS
from . import klein, tokens
from .card import write_card

PROMPT_TOKENS: Final = 26  # the longest caption between CLIP's two marks
CALL: Final[dict[str, Any]] = {
    "height": PIXELS,
    "width": PIXELS,
    "num_inference_steps": 20,
    "guidance_scale": 4.0,
}
HIDDEN: Final = (48, 64)  # of the two encoders; the UNet attends to both side by side
# SDXL's own schedule ends while a picture's mean still shows through the noise, so that a plain ground keeps the colour
# of the noise; seen on the sample grids with the first 3,000 steps. This one (DDPM's) ends in noise.
SCHEDULE: Final[dict[str, Any]] = {"beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear"}
# Plain noise prediction hardly counts the steps in which the subject is decided (see `weight`): so does min-SNR at 1.
RECIPE: Final[dict[str, Any]] = {
    "training.steps": 450,
    "optimizer.learning_rate": 2e-3,
    "schedule.name": "cosine",
    "timesteps.min_snr_gamma": 1.0,
    "saving.every_steps": 75,
    "validation.every_steps": 225,
}


def autoencoder() -> AutoencoderKLFlux2:
    """What is trained: micro Klein's autoencoder; `build` moves its weights into SDXL's class of the same layers."""
    return klein.autoencoder()


reconstruct, latents = klein.reconstruct, klein.latents


def _in_sdxl_class(trained: AutoencoderKLFlux2) -> AutoencoderKL:
    shared = (
        *("down_block_types", "up_block_types", "block_out_channels", "layers_per_block", "latent_channels"),
        *("norm_num_groups", "sample_size", "mid_block_add_attention", "scaling_factor"),
    )
    vae = AutoencoderKL(**{name: trained.config[name] for name in shared}, force_upcast=False)
    vae.load_state_dict({name: w for name, w in trained.state_dict().items() if not name.startswith("bn.")})
    return vae.eval().requires_grad_(False)


def _clip(size: int, hidden: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=size,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_attention_heads=4,
        num_hidden_layers=3,
        projection_dim=hidden,
        hidden_act="gelu",
        max_position_embeddings=PROMPT_TOKENS,
        bos_token_id=size - 2,
        eos_token_id=size - 1,
        pad_token_id=size - 1,
    )


def build(name: str, vae: AutoencoderKLFlux2) -> StableDiffusionXLPipeline:
    """A pipeline with fresh weights around a trained VAE."""
    tokenizer = tokens.clip(length=PROMPT_TOKENS)
    size = len(tokenizer)
    unet = UNet2DConditionModel(
        sample_size=PIXELS // 4,
        in_channels=klein.LATENT_CHANNELS,
        out_channels=klein.LATENT_CHANNELS,
        block_out_channels=(32, 88),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(1, 2),
        transformer_layers_per_block=(1, 1),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=16,
        projection_class_embeddings_input_dim=6 * 16 + HIDDEN[1],
        cross_attention_dim=sum(HIDDEN),
        norm_num_groups=8,
    )
    torch.nn.init.zeros_(unet.conv_out.weight)
    return StableDiffusionXLPipeline(
        vae=_in_sdxl_class(vae),
        text_encoder=CLIPTextModel(_clip(size, HIDDEN[0])),
        text_encoder_2=CLIPTextModelWithProjection(_clip(size, HIDDEN[1])),
        tokenizer=tokenizer,
        tokenizer_2=tokens.clip(length=PROMPT_TOKENS),
        unet=unet,
        scheduler=EulerDiscreteScheduler(**SCHEDULE, steps_offset=1, timestep_spacing="trailing"),
        force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    )


def embed(pipe: StableDiffusionXLPipeline, captions: Sequence[str]) -> dict[str, Tensor]:
    """Penultimate states of both encoders side by side [B, 26, 160] and the pooled second one [B, 96]."""
    states: list[Tensor] = []
    pooled = torch.empty(0)
    for tokenizer, encoder in ((pipe.tokenizer, pipe.text_encoder), (pipe.tokenizer_2, pipe.text_encoder_2)):
        texts = tokenizer(
            list(captions), padding="max_length", truncation=True, max_length=PROMPT_TOKENS, return_tensors="pt"
        )
        out = encoder(texts["input_ids"].to(pipe.unet.device), output_hidden_states=True)
        states.append(out.hidden_states[-2])
        pooled = out[0]
    return {"prompt_embeds": torch.cat(states, -1), "pooled": pooled}


def predict(pipe: StableDiffusionXLPipeline, noisy: Tensor, level: Tensor, prompt: dict[str, Tensor]) -> Tensor:
    """The noise in latents [B, 8, 16, 16] at timesteps [B]."""
    sizes = torch.tensor([[PIXELS, PIXELS, 0, 0, PIXELS, PIXELS]], device=noisy.device).expand(len(noisy), -1)
    out: Tensor = pipe.unet(
        noisy,
        level,
        prompt["prompt_embeds"],
        added_cond_kwargs={"text_embeds": prompt["pooled"], "time_ids": sizes},
        return_dict=False,
    )[0]
    return out


def draw(batch: int, generator: torch.Generator) -> Tensor:
    """Timesteps [B], uniform."""
    return torch.randint(0, 1000, (batch,), generator=generator)


def even(batch: int) -> Tensor:
    """Evenly spaced timesteps."""
    return ((torch.arange(batch) + 0.5) / batch * 1000).long()


@cache
def _diffusion() -> DDPMScheduler:
    return DDPMScheduler(**SCHEDULE)


def noisy(latents: Tensor, noise: Tensor, level: Tensor) -> Tensor:
    """Diffused latents."""
    out: Tensor = _diffusion().add_noise(latents, noise, level)
    return out


def target(latents: Tensor, noise: Tensor, level: Tensor) -> Tensor:
    """Noise prediction: the noise."""
    return noise


def weight(level: Tensor) -> Tensor:
    """What each picture's error counts [B]: 1 + 1/SNR, as if the velocity were predicted (Salimans and Ho 2022,
    arXiv:2202.00512), up to 50, where bf16 rounds away what the noise hides. Plain noise prediction hardly counts the
    steps in which subject and place are decided: after 4,000 steps many grounds were still empty."""
    kept = _diffusion().alphas_cumprod.to(level.device)[level]
    weights: Tensor = (1 / kept).clamp(max=50.0)
    return weights


def pack(vae: AutoencoderKLFlux2, latents: Tensor) -> Tensor:
    """Raw latents to unit variance."""
    scaled: Tensor = latents * vae.config.scaling_factor
    return scaled


def settle_statistics(vae: AutoencoderKLFlux2, latents: Tensor) -> None:
    """Sets the VAE's scaling factor from raw latents [N, 8, 16, 16]."""
    vae.register_to_config(scaling_factor=round(1 / latents.std().item(), 5))


def card(folder: Path) -> None:
    """Writes what a loader must know beside the pipeline."""
    write_card(
        folder, RECIPE, resolution=PIXELS, **{name: CALL[name] for name in ("guidance_scale", "num_inference_steps")}
    )
