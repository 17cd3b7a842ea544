"""SDXL: a noise schedule of 1000 timesteps; the UNet predicts the noise (epsilon) or the velocity (v).

The mathematics of diffusers' `StableDiffusionXLPipeline`: the last hidden state but one of both encoders side by side,
the second encoder's pooled state, and six sizes that the UNet is told. Zero terminal SNR after Lin et al.
(arXiv:2305.08891), min-SNR weights after Hang et al. (arXiv:2303.09556).

Edits are trained as InstructPix2Pix (arXiv:2211.09800): the control image's latents, without their scaling factor, as
`StableDiffusionXLInstructPix2PixPipeline` makes them, are four more channels of the UNet's input. Their weights begin
at zero, and what is learned of them is a LoRA of full rank on `conv_in`: it lies in the LoRA's own file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from diffusers import StableDiffusionXLInstructPix2PixPipeline
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
    controls_of,
    encoded,
    evaluating,
    present,
    seeded,
)
from lora_doctor.train.job import Timesteps

ID = "sdxl"
DENOISER = "unet"
IMAGE_GUIDANCE = 1.5  # the edit pipeline's own
LEVELS = 1000.0
_PREDICTIONS = {"epsilon": "epsilon", "v": "v_prediction"}


def assemble(pipeline: Any, timesteps: Timesteps, micro: Mapping[str, Any]) -> Models:
    _settle(pipeline, timesteps)
    return Models(
        pipeline,
        pipeline.unet,
        pipeline.vae,
        (pipeline.text_encoder, pipeline.text_encoder_2),
        (pipeline.tokenizer, pipeline.tokenizer_2),
        _training_schedule(pipeline.scheduler),
        pipeline.unet.device,
        pipeline.unet.dtype,
        int(micro.get("resolution", pipeline.unet.config.sample_size * pipeline.vae_scale_factor)),
        pipeline.tokenizer.model_max_length,
        card=micro,
    )


def _settle(pipeline: Any, timesteps: Timesteps) -> None:
    """What is trained is sampled too: a sampler of another prediction or terminal SNR would show noise."""
    wanted: dict[str, Any] = {}
    if timesteps.prediction:
        wanted["prediction_type"] = _PREDICTIONS[timesteps.prediction]
    if timesteps.zero_terminal_snr:
        wanted |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    config = pipeline.scheduler.config
    if any(config.get(key) != value for key, value in wanted.items()):
        pipeline.register_modules(scheduler=type(pipeline.scheduler).from_config(config, **wanted))


def _training_schedule(scheduler: Any) -> Any:
    from diffusers import DDPMScheduler

    return DDPMScheduler.from_config(scheduler.config)


def recommended(models: Models) -> Recommended:
    """The pipeline's defaults."""
    return carded(models, 5.0, 50)


def encode_prompts(models: Models, captions: Sequence[str]) -> list[Prompt]:
    with present(models, *models.text_encoders):
        embeds, _, pooled, _ = models.pipeline.encode_prompt(
            list(captions), device=models.device, do_classifier_free_guidance=False
        )
    prompts = [{"prompt_embeds": text, "pooled_prompt_embeds": whole} for text, whole in zip(embeds, pooled)]
    if not models.pipeline.config.force_zeros_for_empty_prompt:
        return prompts
    return [p if caption else {k: torch.zeros_like(v) for k, v in p.items()} for p, caption in zip(prompts, captions)]


def encode_images(models: Models, pixels: Tensor) -> Tensor:
    config = models.vae.config
    with present(models, models.vae):
        latents = models.vae.encode(pixels.to(models.device, models.vae.dtype)).latent_dist.mode().float()
    if config.get("latents_mean") is not None and config.get("latents_std") is not None:
        mean, std = (torch.tensor(config[key]).view(1, -1, 1, 1).to(latents) for key in ("latents_mean", "latents_std"))
        latents = (latents - mean) / std
    return cast(Tensor, latents * config.scaling_factor)


def encode_control(models: Models, pixels: Tensor) -> Tensor:
    """The mode, unscaled."""
    with present(models, models.vae):
        latents: Tensor = models.vae.encode(pixels.to(models.device, models.vae.dtype)).latent_dist.mode().float()
    return latents


def widen(pipeline: Any) -> None:
    """Give the UNet's first layer channels for a control image, with weights of zero: it draws as before."""
    unet, channels = pipeline.unet, pipeline.vae.config.latent_channels
    narrow = unet.conv_in
    wide = torch.nn.Conv2d(2 * channels, narrow.out_channels, narrow.kernel_size, narrow.stride, narrow.padding)
    weight = torch.cat([narrow.weight, torch.zeros_like(narrow.weight)], dim=1)
    wide.to(weight.device, weight.dtype).load_state_dict({"weight": weight, "bias": narrow.bias})
    unet.conv_in = wide
    unet.register_to_config(in_channels=2 * channels)


def _edits(models: Models) -> bool:
    return bool(models.denoiser.config.in_channels == 2 * models.denoiser.config.out_channels)


def always(models: Models) -> Mapping[str, int]:
    """The first layer of a UNet that takes control images; at this rank their weights can become any."""
    if not _edits(models):
        return {}
    height, width = models.denoiser.conv_in.kernel_size
    return {"conv_in": models.vae.config.latent_channels * height * width}


def draw_levels(
    models: Models, timesteps: Timesteps, shape: Sequence[int], generator: torch.Generator | None = None
) -> Tensor:
    """By default every timestep is as likely as another."""
    drawn = noises.draw(timesteps.sampling or "uniform", shape[0], generator)
    if timesteps.shift:
        shift = noises.shift_of(shape[2] * shape[3] // 4) if timesteps.shift == "resolution" else float(timesteps.shift)
        drawn = noises.shifted(drawn, shift)
    return (drawn * len(models.scheduler.alphas_cumprod)).long()


def _kept(models: Models, levels: Tensor, like: Tensor) -> Tensor:
    """Share of the image's variance that is left, alpha-bar, [B, 1, 1, 1]."""
    kept: Tensor = models.scheduler.alphas_cumprod
    return kept.to(like.device, torch.float32)[levels.to(like.device)].view(-1, 1, 1, 1)


def noisy(models: Models, latents: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
    kept = _kept(models, levels, latents)
    return kept.sqrt() * latents + (1 - kept).sqrt() * noise


def target(models: Models, latents: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
    if not _velocity(models):
        return noise
    kept = _kept(models, levels, latents)
    return kept.sqrt() * noise - (1 - kept).sqrt() * latents


def _velocity(models: Models) -> bool:
    return bool(models.scheduler.config.prediction_type == "v_prediction")


def loss_weight(models: Models, levels: Tensor, timesteps: Timesteps) -> Tensor:
    """1, or with min-SNR min(snr, gamma) / snr for epsilon and / (snr + 1) for v."""
    if timesteps.min_snr_gamma is None:
        return torch.ones(len(levels), device=levels.device)
    kept = _kept(models, levels, levels).flatten()
    snr = kept / (1 - kept)
    return snr.clamp(max=timesteps.min_snr_gamma) / (snr + 1 if _velocity(models) else snr)


def levels_at(models: Models, sigmas: Tensor) -> Tensor:
    """The timestep whose noise has this share of signal and noise together."""
    kept: Tensor = models.scheduler.alphas_cumprod.double()
    shares = (1 - kept).sqrt() / (kept.sqrt() + (1 - kept).sqrt())
    return (shares.view(1, -1) - sigmas.cpu().double().view(-1, 1)).abs().argmin(1).to(sigmas.device)


def predict(models: Models, noisy: Tensor, levels: Tensor, prompts: Prompt, sizes: Tensor | None = None) -> Tensor:
    text = {key: value.to(noisy.device, models.dtype) for key, value in prompts.items()}
    told = _uncropped(models, noisy) if sizes is None else sizes
    with as_loaded(models):
        predicted = models.denoiser(
            _shown(models, noisy, prompts).to(models.dtype),
            levels.to(noisy.device),
            encoder_hidden_states=text["prompt_embeds"],
            added_cond_kwargs={
                "text_embeds": text["pooled_prompt_embeds"],
                "time_ids": told.to(noisy.device, models.dtype),
            },
            return_dict=False,
        )[0]
    return cast(Tensor, predicted.float())


def _shown(models: Models, noisy: Tensor, prompts: Prompt) -> Tensor:
    """Of a UNet that takes a control image, the latents with it; without one, zeros, as for guidance."""
    if not _edits(models):
        return noisy
    images = controls_of(prompts) or [torch.zeros_like(noisy)]
    return torch.cat([noisy, images[0].to(noisy)], dim=1)


def _uncropped(models: Models, latents: Tensor) -> Tensor:
    height, width = (edge * models.pipeline.vae_scale_factor for edge in latents.shape[2:])
    return torch.tensor([[height, width, 0, 0, height, width]] * len(latents))


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
    kind, more = type(pipe), dict[str, Any]()
    if _edits(models):
        kind = StableDiffusionXLInstructPix2PixPipeline
        more["image"] = _images(models, control or [()] * len(texts), (width, height))
        more["image_guidance_scale"] = IMAGE_GUIDANCE if image_guidance is None else image_guidance
    drawing = kind(pipe.vae, None, None, None, None, pipe.unet, pipe.scheduler, add_watermarker=False)
    drawing.set_progress_bar_config(disable=True)
    with present(models, models.vae), evaluating(models.denoiser), _in_own_format(models):
        latents = drawing(
            **more,
            **{key: value.to(models.dtype) for key, value in text.items()},
            **{f"negative_{key}": value.to(models.dtype) for key, value in others.items()},
            generator=seeded(seeds),
            num_inference_steps=steps or best.sampler_steps,
            guidance_scale=best.guidance if guidance is None else guidance,
            width=width,
            height=height,
            output_type="latent",
        ).images
        pixels = models.vae.decode(_unscaled(models.vae.config, latents).to(models.vae.dtype), return_dict=False)[0]
    return cast("list[Image]", pipe.image_processor.postprocess(pixels))


def _images(models: Models, control: Sequence[Sequence[Image]], size: tuple[int, int]) -> Tensor:
    """Latents of the control images, which the pipeline takes as well as images; zeros where there is none."""
    processor, (width, height) = models.pipeline.image_processor, size
    with present(models, models.vae):
        found = [
            encode_control(models, processor.preprocess(each[0], height=height, width=width)) if each else None
            for each in control
        ]
    factor = models.pipeline.vae_scale_factor
    blank = torch.zeros(1, models.vae.config.latent_channels, height // factor, width // factor, device=models.device)
    return torch.cat([blank if each is None else each for each in found])


@contextmanager
def _in_own_format(models: Models) -> Iterator[None]:
    """Inside, the UNet takes what it is given in its own format: the edit pipeline's image stays in the VAE's."""
    hook = models.denoiser.register_forward_pre_hook(
        lambda _, args: (args[0].to(models.dtype), *args[1:]) if args else None
    )
    try:
        yield
    finally:
        hook.remove()


def _unscaled(config: Any, latents: Tensor) -> Tensor:
    latents = latents.float() / config.scaling_factor
    if config.get("latents_mean") is None or config.get("latents_std") is None:
        return latents
    mean, std = (torch.tensor(config[key]).view(1, -1, 1, 1).to(latents) for key in ("latents_mean", "latents_std"))
    return latents * std + mean
