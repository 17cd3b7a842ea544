"""FLUX.2 Klein: flow matching on patchified latents that the VAE's batch-norm statistics normalise.

The mathematics of diffusers' `Flux2KleinPipeline`: encoder layers 9, 18 and 27 side by side, 512 tokens with their
padding, positions (time, row, column, token), sigma itself as the time, no guidance embedding. Of an edit, the tokens
of the control images stand behind the noisy ones, each image at a time of its own (10, 20...) and of its own size.
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
    alike,
    as_loaded,
    carded,
    controls_of,
    encoded,
    evaluating,
    present,
    seeded,
)
from lora_doctor.train.job import Timesteps

ID = "flux2-klein"
DENOISER = "transformer"
LEVELS = 1.0
LAYERS, TOKENS = (9, 18, 27), 512
APART = 10  # time between control images


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


def encode_control(models: Models, pixels: Tensor) -> Tensor:
    """As any other image."""
    return encode_images(models, pixels)


def widen(pipeline: Any) -> None:
    """Klein takes control images as it is."""


def always(models: Models) -> Mapping[str, int]:
    """None: control images come in by the layers that everything comes in by."""
    return {}


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
    tokens, positions = image_tokens(noisy, controls_of(prompts))
    with as_loaded(models):
        predicted = models.denoiser(
            hidden_states=tokens.to(models.dtype),
            encoder_hidden_states=text,
            timestep=levels.to(noisy.device, models.dtype),
            img_ids=positions,
            txt_ids=_positions(len(noisy), 1, 1, text.shape[1], noisy.device),
            guidance=None,
            return_dict=False,
        )[0][:, : rows * columns]
    return cast(Tensor, predicted.transpose(1, 2).unflatten(2, (rows, columns)).float())


def image_tokens(noisy: Tensor, control: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Tokens [B, N, C] and their positions [B, N, 4] of noisy latents, and behind them of control images."""
    images = [noisy, *(each.to(noisy) for each in control)]
    tokens = [image.flatten(2).transpose(1, 2) for image in images]
    sides = [(image.shape[2], image.shape[3]) for image in images]
    places = [
        _positions(len(noisy), rows, columns, 1, noisy.device, APART * nth) for nth, (rows, columns) in enumerate(sides)
    ]
    return torch.cat(tokens, dim=1), torch.cat(places, dim=1)


def _positions(count: int, rows: int, columns: int, tokens: int, device: torch.device, time: int = 0) -> Tensor:
    """[B, rows * columns * tokens, 4]: time, row, column, place in the text."""
    axes = [torch.arange(n, device=device) for n in (1, rows, columns, tokens)]
    places = torch.cartesian_prod(*axes)
    places[:, 0] = time
    return places.expand(count, -1, -1)


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
    control: Sequence[Sequence[Image]] = (),
    image_guidance: float | None = None,
) -> list[Image]:
    best, pipe = recommended(models), models.pipeline
    *texts, other = encoded(encode_prompts, models, [*prompts, negative])
    width, height = size or (models.side, models.side)
    drawing = type(pipe)(pipe.scheduler, pipe.vae, None, None, pipe.transformer, is_distilled=pipe.config.is_distilled)
    drawing.set_progress_bar_config(disable=True)
    with present(models, models.vae), evaluating(models.denoiser):
        latents = [
            drawing(
                image=list(control[places[0]]) or None if control else None,
                prompt_embeds=_embeds(models, [texts[place] for place in places]),
                negative_prompt_embeds=_embeds(models, [other] * len(places)),
                generator=seeded([seeds[place] for place in places]),
                num_inference_steps=steps or best.sampler_steps,
                guidance_scale=best.guidance if guidance is None else guidance,
                width=width,
                height=height,
                output_type="latent",
            ).images
            for places in alike(control, len(texts))
        ]
        pixels = models.vae.decode(torch.cat(latents).to(models.vae.dtype), return_dict=False)[0]
    return cast("list[Image]", pipe.image_processor.postprocess(pixels))


def _embeds(models: Models, texts: Sequence[Prompt]) -> Tensor:
    return torch.stack([each["prompt_embeds"] for each in texts]).to(models.dtype)
