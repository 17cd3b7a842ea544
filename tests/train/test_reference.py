"""Training equals the diffusers example scripts' mathematics, written here anew from the pipelines' inference code.

The reference uses nothing of lora_doctor.train: it loads the folder itself, encodes, noises, calls the denoiser and
steps AdamW in its own lines. Same weights, data, noise and levels: losses and the final LoRA must agree to 1e-5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline
from peft import LoraConfig, get_peft_model_state_dict
from torch import Tensor

from lora_doctor.train.adapters import inject, state, trainable
from lora_doctor.train.families import collate
from lora_doctor.train.job import Adapter, Timesteps
from lora_doctor.train.loading import load_folder

from .tiny import LAYERS, LENGTH

STEPS, RATE = 20, 1e-3
CAPTIONS = ["a photo of sks ring", "a red star on grass"]
Step = Callable[[Tensor, Tensor], Tensor]  # noise, levels -> loss


def draws(latents: Tensor, levels: Callable[[torch.Generator], Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(7)
    for _ in range(STEPS):
        yield torch.randn(latents.shape, generator=generator), levels(generator)


def images() -> Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1


def klein(pipe: Any) -> tuple[Tensor, Step]:
    """After Flux2KleinPipeline._encode_vae_image and __call__, train_dreambooth_lora_flux2_klein.py."""
    vae, transformer = pipe.vae, pipe.transformer
    z = vae.encode(images()).latent_dist.mode()
    b, c, h, w = z.shape
    z = z.view(b, c, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 2, 4).reshape(b, 4 * c, h // 2, w // 2)
    mean, var = vae.bn.running_mean.view(1, -1, 1, 1), vae.bn.running_var.view(1, -1, 1, 1)
    z = (z - mean) / torch.sqrt(var + vae.config.batch_norm_eps)
    texts = [
        pipe.tokenizer.apply_chat_template(
            [{"role": "user", "content": c}], tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        for c in CAPTIONS
    ]
    tokens = pipe.tokenizer(texts, padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt")
    hidden = pipe.text_encoder(**tokens, output_hidden_states=True).hidden_states
    text = torch.cat([hidden[k] for k in LAYERS], dim=-1)
    text_ids = torch.tensor([[0, 0, 0, i] for i in range(LENGTH)]).expand(2, -1, -1)
    image_ids = torch.tensor([[0, y, x, 0] for y in range(z.shape[2]) for x in range(z.shape[3])]).expand(2, -1, -1)

    def step(noise: Tensor, sigma: Tensor) -> Tensor:
        s = sigma.view(-1, 1, 1, 1)
        packed = ((1 - s) * z + s * noise).reshape(2, z.shape[1], -1).permute(0, 2, 1)
        out = transformer(
            hidden_states=packed, timestep=sigma * 1000 / 1000, guidance=None, encoder_hidden_states=text,
            txt_ids=text_ids, img_ids=image_ids, return_dict=False,
        )[0]  # fmt: skip
        wanted = (noise - z).reshape(2, z.shape[1], -1).permute(0, 2, 1)
        return torch.mean((out.float() - wanted.float()) ** 2)

    return z, step


INSTRUCTION = [
    "Given a user prompt, generate an 'Enhanced prompt' that provides detailed visual descriptions suitable for image "
    "generation. Evaluate the level of detail in the user prompt:",
]


def sana(pipe: Any) -> tuple[Tensor, Step]:
    """After SanaPipeline.encode_prompt and __call__ with its default instruction, train_dreambooth_lora_sana.py."""
    import inspect

    whole = inspect.signature(pipe.__call__).parameters["complex_human_instruction"].default
    assert whole[0] == INSTRUCTION[0], "the pipeline's own default, not another"
    z = pipe.vae.encode(images()).latent * pipe.vae.config.scaling_factor
    prefix = "\n".join(whole)
    pipe.tokenizer.padding_side = "right"
    length = len(pipe.tokenizer.encode(prefix)) + 300 - 2
    texts = [prefix + caption.lower().strip() for caption in CAPTIONS]
    tokens = pipe.tokenizer(texts, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    hidden = pipe.text_encoder(tokens.input_ids, attention_mask=tokens.attention_mask)[0]
    kept = [0, *range(-299, 0)]
    text, mask = hidden[:, kept], tokens.attention_mask[:, kept]

    def step(noise: Tensor, sigma: Tensor) -> Tensor:
        s = sigma.view(-1, 1, 1, 1)
        out = pipe.transformer(
            (1 - s) * z + s * noise, encoder_hidden_states=text, encoder_attention_mask=mask, timestep=sigma * 1000,
            return_dict=False,
        )[0]  # fmt: skip
        return torch.mean((out.float() - (noise - z).float()) ** 2)

    return z, step


def sdxl_captions(pipe: Any) -> tuple[Tensor, Tensor]:
    """After StableDiffusionXLPipeline.encode_prompt."""
    states = []
    for tokenizer, encoder in ((pipe.tokenizer, pipe.text_encoder), (pipe.tokenizer_2, pipe.text_encoder_2)):
        ids = tokenizer(CAPTIONS, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
        out = encoder(ids, output_hidden_states=True)
        states.append(out.hidden_states[-2])
    return torch.cat(states, dim=-1), out[0]


def sdxl(pipe: Any, velocity: bool = False, gamma: float | None = None) -> tuple[Tensor, Step]:
    """After StableDiffusionXLPipeline.encode_prompt and __call__, train_dreambooth_lora_sdxl.py."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    kept = torch.cumprod(1 - betas, 0)
    z = pipe.vae.encode(images()).latent_dist.mode() * pipe.vae.config.scaling_factor
    text, pooled = sdxl_captions(pipe)
    sizes = torch.tensor([[64, 64, 0, 0, 64, 64]] * 2, dtype=torch.float32)

    def step(noise: Tensor, timesteps: Tensor) -> Tensor:
        a = kept[timesteps].view(-1, 1, 1, 1)
        out = pipe.unet(
            a.sqrt() * z + (1 - a).sqrt() * noise, timesteps, encoder_hidden_states=text,
            added_cond_kwargs={"text_embeds": pooled, "time_ids": sizes}, return_dict=False,
        )[0]  # fmt: skip
        wanted = a.sqrt() * noise - (1 - a).sqrt() * z if velocity else noise
        each: Tensor = ((out.float() - wanted.float()) ** 2).mean(dim=(1, 2, 3))
        if gamma is not None:
            snr = kept[timesteps] / (1 - kept[timesteps])
            each = each * torch.clamp(snr, max=gamma) / (snr + 1 if velocity else snr)
        return each.mean()

    return z, step


CASES: dict[str, tuple[Callable[..., tuple[Tensor, Step]], Timesteps]] = {
    "klein": (klein, Timesteps()),
    "sana": (sana, Timesteps()),
    "sdxl": (sdxl, Timesteps()),
    "sdxl-v-min-snr": (lambda pipe: sdxl(pipe, velocity=True, gamma=5.0), Timesteps(prediction="v", min_snr_gamma=5.0)),
}


@pytest.mark.parametrize("case", CASES)
def test_losses_and_lora_equal_the_scripts(case: str, klein_folder: Path, sana_folder: Path, sdxl_folder: Path) -> None:
    folder = {"klein": klein_folder, "sana": sana_folder, "sdxl": sdxl_folder}[case.partition("-")[0]]
    reference, timesteps = CASES[case]
    family, models = load_folder(folder, timesteps=timesteps)
    inject(family, models, Adapter(rank=4, alpha=8.0, targets="attention"), seed=5)
    start = {key: value.clone() for key, value in state(family, models).items()}

    pipe = DiffusionPipeline.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    theirs, finish = script(pipe, reference, start, lambda g: family.draw_levels(models, timesteps, (2, 4, 8, 8), g))

    latents = family.encode_images(models, images())
    prompts = collate(family.encode_prompts(models, CAPTIONS))
    optimizer = torch.optim.AdamW(trainable(family, models).values(), lr=RATE, weight_decay=0.01)
    mine = []
    for noise, levels in draws(latents, lambda g: family.draw_levels(models, timesteps, (2, 4, 8, 8), g)):
        out = family.predict(models, family.noisy(models, latents, noise, levels), levels, prompts)
        error = ((out - family.target(models, latents, noise, levels)) ** 2).flatten(1).mean(1)
        loss = (error * family.loss_weight(models, levels, timesteps)).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        mine.append(loss.item())

    assert mine == pytest.approx(theirs, rel=1e-5)
    ends = state(family, models)
    assert ends.keys() == finish.keys()
    for key, end in ends.items():
        assert torch.linalg.norm(end - finish[key]) <= 1e-5 * torch.linalg.norm(finish[key]), key
        assert not torch.equal(end, start[key]), "it was trained"


def script(
    pipe: Any,
    reference: Callable[[Any], tuple[Tensor, Step]],
    start: dict[str, Tensor],
    levels: Callable[[torch.Generator], Tensor],
) -> tuple[list[float], dict[str, Tensor]]:
    """The example scripts' loop: PEFT's add_adapter, AdamW, mean squared error."""
    name = "unet" if hasattr(pipe, "unet") else "transformer"
    denoiser = getattr(pipe, name)
    for part in (denoiser, pipe.vae, pipe.text_encoder, getattr(pipe, "text_encoder_2", pipe.text_encoder)):
        part.requires_grad_(False)
    targets = sorted({key.partition(".lora_")[0].removeprefix(f"{name}.") for key in start})
    denoiser.add_adapter(LoraConfig(r=4, lora_alpha=8, target_modules=targets))
    for key, parameter in denoiser.named_parameters():
        if parameter.requires_grad:
            parameter.data = start[f"{name}.{key.replace('.default', '')}"].clone()
    latents, step = reference(pipe)
    optimizer = torch.optim.AdamW([p for p in denoiser.parameters() if p.requires_grad], lr=RATE, weight_decay=0.01)
    losses = []
    for noise, drawn in draws(latents, levels):
        loss = step(noise, drawn)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses, {f"{name}.{key}": value for key, value in get_peft_model_state_dict(denoiser).items()}
