"""FLUX.2 Klein: flow matching on patchified latents that the VAE's batch-norm statistics normalise.

The mathematics of diffusers' `Flux2KleinPipeline`: encoder layers 9, 18 and 27 side by side, 512 tokens with their
padding, positions (time, row, column, token), sigma itself as the time, no guidance embedding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from PIL.Image import Image
from torch import Tensor

from lora_doctor.train import noise as noises
from lora_doctor.train.families import (
    Models,
    Prompt,
    Recommended,
    as_loaded,
    carded,
    collate,
    encoded,
    evaluating,
    present,
    seeded,
)
from lora_doctor.train.job import Timesteps

ID = "flux2-klein"
DENOISER = "transformer"
LAYERS, TOKENS = (9, 18, 27), 512


def assemble(pipeline: Any, timesteps: Timesteps, micro: Mapping[str, Any]) -> Models:
    return Models(
        pipeline,
        pipeline.transformer,
        pipeline.vae,
        (pipeline.text_encoder,),
        (pipeline.tokenizer,),
        pipeline.scheduler,
        pipeline.transformer.device,
        pipeline.transformer.dtype,
        int(micro.get("resolution", min(1024, pipeline.vae.config.sample_size))),
        int(micro.get("max_sequence_length", TOKENS)),
        tuple(micro.get("text_encoder_out_layers", LAYERS)),
        micro,
    )


def recommended(models: Models) -> Recommended:
    """Black Forest Labs: 50 steps at guidance 4; 4 steps without guidance for the distilled models."""
    return Recommended(1.0, 4) if models.pipeline.config.is_distilled else carded(models, 4.0, 50)


def encode_prompts(models: Models, captions: Sequence[str]) -> list[Prompt]:
    with present(models, *models.text_encoders):
        embeds, _ = models.pipeline.encode_prompt(
            list(captions),
            device=models.device,
            max_sequence_length=models.tokens,
            text_encoder_out_layers=models.layers,
        )
    return [{"prompt_embeds": each} for each in embeds]


def encode_images(models: Models, pixels: Tensor) -> Tensor:
    with present(models, models.vae):
        latents = models.vae.encode(pixels.to(models.device, models.vae.dtype)).latent_dist.mode()
    return _normalised(models.vae, _patchified(latents.float()))


def _patchified(latents: Tensor) -> Tensor:
    """[B, C, 2h, 2w] -> [B, 4C, h, w]: the four latents of a patch become channels."""
    return torch.nn.functional.pixel_unshuffle(latents, 2)


def _normalised(vae: Any, latents: Tensor) -> Tensor:
    mean, variance = (s.float().view(1, -1, 1, 1).to(latents.device) for s in (vae.bn.running_mean, vae.bn.running_var))
    return cast(Tensor, (latents - mean) / torch.sqrt(variance + vae.config.batch_norm_eps))


def draw_levels(
    models: Models, timesteps: Timesteps, shape: Sequence[int], generator: torch.Generator | None = None
) -> Tensor:
    """By default logit-normal, shifted by the image's token count."""
    sigmas = noises.draw(timesteps.sampling or "logit_normal", shape[0], generator)
    shift = timesteps.shift or "resolution"
    return noises.shifted(sigmas, noises.shift_of(shape[2] * shape[3]) if shift == "resolution" else float(shift))


def noisy(models: Models, latents: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
    sigma = levels.view(-1, 1, 1, 1).to(latents)
    return (1 - sigma) * latents + sigma * noise


def target(models: Models, latents: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
    return noise - latents


def loss_weight(models: Models, levels: Tensor, timesteps: Timesteps) -> Tensor:
    return torch.ones_like(levels, dtype=torch.float32)


def levels_at(models: Models, sigmas: Tensor) -> Tensor:
    return sigmas


def predict(models: Models, noisy: Tensor, levels: Tensor, prompts: Prompt, sizes: Tensor | None = None) -> Tensor:
    text = prompts["prompt_embeds"].to(noisy.device, models.dtype)
    rows, columns = noisy.shape[2:]
    with as_loaded(models):
        predicted = models.denoiser(
            hidden_states=noisy.flatten(2).transpose(1, 2).to(models.dtype),
            encoder_hidden_states=text,
            timestep=levels.to(noisy.device, models.dtype),
            img_ids=_positions(len(noisy), rows, columns, 1, noisy.device),
            txt_ids=_positions(len(noisy), 1, 1, text.shape[1], noisy.device),
            guidance=None,
            return_dict=False,
        )[0]
    return cast(Tensor, predicted.transpose(1, 2).unflatten(2, (rows, columns)).float())


def _positions(count: int, rows: int, columns: int, tokens: int, device: torch.device) -> Tensor:
    """[B, rows * columns * tokens, 4]: time 0, row, column, place in the text."""
    axes = [torch.arange(n, device=device) for n in (1, rows, columns, tokens)]
    return torch.cartesian_prod(*axes).expand(count, -1, -1)


@torch.no_grad()
def sample(
    models: Models,
    prompts: Sequence[str | Prompt],
    seeds: Sequence[int],
    *,
    negative: str | Prompt = "",
    steps: int | None = None,
    guidance: float | None = None,
    size: tuple[int, int] | None = None,
) -> list[Image]:
    best, pipe = recommended(models), models.pipeline
    *texts, other = encoded(encode_prompts, models, [*prompts, negative])
    width, height = size or (models.side, models.side)
    drawing = type(pipe)(pipe.scheduler, pipe.vae, None, None, pipe.transformer, is_distilled=pipe.config.is_distilled)
    drawing.set_progress_bar_config(disable=True)
    with present(models, models.vae), evaluating(models.denoiser):
        latents = drawing(
            prompt_embeds=collate(texts)["prompt_embeds"].to(models.dtype),
            negative_prompt_embeds=collate([other] * len(texts))["prompt_embeds"].to(models.dtype),
            generator=seeded(seeds),
            num_inference_steps=steps or best.sampler_steps,
            guidance_scale=best.guidance if guidance is None else guidance,
            width=width,
            height=height,
            output_type="latent",
        ).images
        pixels = models.vae.decode(latents.to(models.vae.dtype), return_dict=False)[0]
    return cast("list[Image]", pipe.image_processor.postprocess(pixels))
