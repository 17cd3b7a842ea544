"""SANA: flow matching on DC-AE latents.

The mathematics of diffusers' `SanaPipeline`: prompts behind the pipeline's own long instruction (the empty one of
guidance without it), the first and the last 299 states of Gemma 2 with their mask, latents times the VAE's scaling
factor, time in thousandths of sigma.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from PIL.Image import Image
from torch import Tensor

from lora_doctor.source.document import SourceError
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

ID = "sana"
DENOISER = "transformer"
LEVELS = 1000.0
TOKENS = 300
INSTRUCTION = "complex_human_instruction"


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
        int(micro.get("resolution", pipeline.transformer.config.sample_size * pipeline.vae_scale_factor)),
        int(micro.get("max_sequence_length", TOKENS)),
        card=micro,
    )


def recommended(models: Models) -> Recommended:
    """The pipeline's defaults."""
    return carded(models, 4.5, 20)


def encode_prompts(models: Models, captions: Sequence[str]) -> list[Prompt]:
    with present(models, *models.text_encoders):
        return [_encode_prompt(models, caption) for caption in captions]


def _encode_prompt(models: Models, caption: str) -> Prompt:
    embeds, mask, _, _ = models.pipeline.encode_prompt(
        caption,
        do_classifier_free_guidance=False,
        device=models.device,
        max_sequence_length=models.tokens,
        complex_human_instruction=_instruction(models) if caption else None,
    )
    return {"prompt_embeds": embeds[0], "prompt_attention_mask": mask[0]}


def _instruction(models: Models) -> list[str] | None:
    """What the pipeline puts before every prompt unless told otherwise."""
    call = inspect.signature(type(models.pipeline).__call__).parameters
    return cast("list[str] | None", models.card.get(INSTRUCTION, call[INSTRUCTION].default))


def encode_images(models: Models, pixels: Tensor) -> Tensor:
    with present(models, models.vae):
        latents = models.vae.encode(pixels.to(models.device, models.vae.dtype)).latent
    return cast(Tensor, latents.float() * models.vae.config.scaling_factor)


def encode_control(models: Models, pixels: Tensor) -> Tensor:
    """Raises SourceError: SANA has no way to show it images."""
    raise SourceError("SANA has no pipeline that edits images")


def widen(pipeline: Any) -> None:
    """Raises SourceError: SANA has no way to show it images."""
    raise SourceError("SANA has no pipeline that edits images")


def always(models: Models) -> Mapping[str, int]:
    """None."""
    return {}


def draw_levels(
    models: Models, timesteps: Timesteps, shape: Sequence[int], generator: torch.Generator | None = None
) -> Tensor:
    """By default logit-normal, shifted as the model's sampler is (3 for the released models)."""
    sigmas = noises.draw(timesteps.sampling or "logit_normal", shape[0], generator)
    if timesteps.shift == "resolution":
        return noises.shifted(sigmas, noises.shift_of(shape[2] * shape[3]))
    config = models.scheduler.config
    own = config.get("flow_shift") or config.get("shift") or 1.0
    return noises.shifted(sigmas, float(timesteps.shift or own))


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
    with as_loaded(models):
        predicted = models.denoiser(
            noisy.to(models.dtype),
            encoder_hidden_states=prompts["prompt_embeds"].to(noisy.device, models.dtype),
            encoder_attention_mask=prompts["prompt_attention_mask"].to(noisy.device),
            timestep=levels.to(noisy.device) * 1000 * models.denoiser.config.timestep_scale,
            return_dict=False,
        )[0]
    return cast(Tensor, predicted.float())


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
    text, others = collate(texts), collate([other] * len(texts))
    width, height = size or (models.side, models.side)
    drawing = type(pipe)(None, None, pipe.vae, pipe.transformer, pipe.scheduler)
    drawing.set_progress_bar_config(disable=True)
    with present(models, models.vae), evaluating(models.denoiser):
        latents = drawing(
            **text,
            **{f"negative_{key}": value for key, value in others.items()},
            negative_prompt=None,
            generator=seeded(seeds),
            num_inference_steps=steps or best.sampler_steps,
            guidance_scale=best.guidance if guidance is None else guidance,
            width=width,
            height=height,
            use_resolution_binning=False,
            output_type="latent",
        ).images
        scaled = latents.to(models.vae.dtype) / models.vae.config.scaling_factor
        pixels = models.vae.decode(scaled, return_dict=False)[0]
    return cast("list[Image]", pipe.image_processor.postprocess(pixels))
