"""What `train_cpu.py` is measured against: a loop that does per step what the diffusers script does.

`examples/dreambooth/train_dreambooth_lora_flux2_klein.py` of diffusers 58eb52c, with its defaults: pixels prepared once
and collated in every step, latents patchified and normalised in every step, position ids made anew, levels looked up in
the schedule, the prediction unpacked by its ids, all parameters handed to the clipping, `AdamW` as torch has it,
LambdaLR, accelerate's wrappers, the loss fetched for the progress bar.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from diffusers import Flux2KleinPipeline
from diffusers.optimization import get_scheduler
from diffusers.training_utils import compute_density_for_timestep_sampling, compute_loss_weighting_for_sd3
from peft import LoraConfig
from PIL import Image
from torch import Tensor
from tqdm import tqdm


class Pixels(torch.utils.data.Dataset[Any]):
    """All images, fitted and in memory."""

    def __init__(self, paths: Sequence[Path], side: int) -> None:
        self.pixels = [self._read(path, side) for path in paths]

    @staticmethod
    def _read(path: Path, side: int) -> Tensor:
        image = Image.open(path).convert("RGB").resize((side, side), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 127.5 - 1

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> tuple[int, Tensor]:
        return index, self.pixels[index]


def collate(examples: Sequence[tuple[int, Tensor]]) -> dict[str, Any]:
    pixels = torch.stack([each for _, each in examples])
    return {
        "indices": [index for index, _ in examples],
        "pixels": pixels.to(memory_format=torch.contiguous_format).float(),
    }


class Peer(NamedTuple):
    """What a step needs. `latents` by image, None where they are not cached."""

    pipeline: Any
    transformer: Any
    mean: Tensor
    deviation: Tensor
    schedule: Any
    prompt: tuple[Tensor, Tensor]
    latents: list[Tensor] | None


def train(
    folder: Path,
    paths: Sequence[Path],
    steps: int,
    batch: int,
    *,
    targets: Callable[[int], list[str]],
    rank: int,
    side: int,
    prompt: str,
    cached: bool,
    tick: Callable[[], None],
) -> None:
    """Train `steps` steps; `tick` is called after each. Not cached, the VAE runs in every step."""
    accelerator = Accelerator(gradient_accumulation_steps=1)
    pipeline = loaded(folder, targets, rank)
    weights = [p for p in pipeline.transformer.parameters() if p.requires_grad]
    data = Pixels(paths, side)
    optimizer = torch.optim.AdamW([{"params": weights, "lr": 1e-4}], betas=(0.9, 0.999), weight_decay=1e-4, eps=1e-8)
    loader = torch.utils.data.DataLoader(data, batch, shuffle=True, drop_last=True, collate_fn=collate)
    rates = get_scheduler("constant", optimizer)
    transformer, optimizer, loader, rates = accelerator.prepare(pipeline.transformer, optimizer, loader, rates)
    peer = prepared(pipeline, transformer, data, prompt, cached=cached)
    bar = tqdm(total=steps, file=sys.stderr)
    while bar.n < steps:
        transformer.train()
        for found in loader:
            with accelerator.accumulate([transformer]):
                loss = loss_of(peer, found, accelerator)
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(transformer.parameters(), 1.0)
                optimizer.step()
                rates.step()
                optimizer.zero_grad()
            bar.update(1)
            bar.set_postfix(loss=loss.detach().item(), lr=rates.get_last_lr()[0])
            tick()
            if bar.n >= steps:
                break


def loaded(folder: Path, targets: Callable[[int], list[str]], rank: int) -> Any:
    pipeline = Flux2KleinPipeline.from_pretrained(folder, local_files_only=True)
    for part in (pipeline.vae, pipeline.text_encoder, pipeline.transformer):
        part.requires_grad_(False)
    names = targets(pipeline.transformer.config.num_single_layers)
    pipeline.transformer.add_adapter(
        LoraConfig(r=rank, lora_alpha=rank, lora_dropout=0.0, init_lora_weights="gaussian", target_modules=names)
    )
    return pipeline


@torch.no_grad()
def prepared(pipeline: Any, transformer: Any, data: Pixels, prompt: str, *, cached: bool) -> Peer:
    """Prompt and latents encoded; what is not needed any more is dropped, as the script does."""
    mean = pipeline.vae.bn.running_mean.view(1, -1, 1, 1)
    deviation = torch.sqrt(pipeline.vae.bn.running_var.view(1, -1, 1, 1) + pipeline.vae.config.batch_norm_eps)
    text = pipeline.encode_prompt(prompt, max_sequence_length=24, text_encoder_out_layers=(1, 2, 3))
    latents = [pipeline.vae.encode(each[None]).latent_dist.mode() for each in data.pixels] if cached else None
    pipeline.text_encoder = None
    if cached:
        pipeline.vae = None
    return Peer(pipeline, transformer, mean, deviation, copy.deepcopy(pipeline.scheduler), text, latents)


def loss_of(peer: Peer, found: dict[str, Any], accelerator: Accelerator) -> Tensor:
    prompt, text_ids = (each.repeat_interleave(len(found["indices"]), dim=0) for each in peer.prompt)
    if peer.latents is not None:
        clean = torch.cat([peer.latents[index] for index in found["indices"]], dim=0)
    else:
        with torch.no_grad():
            clean = peer.pipeline.vae.encode(found["pixels"].to(accelerator.device)).latent_dist.mode()
    clean = (Flux2KleinPipeline._patchify_latents(clean) - peer.mean) / peer.deviation
    image_ids = Flux2KleinPipeline._prepare_latent_ids(clean).to(device=clean.device)
    noise = torch.randn_like(clean)
    drawn = compute_density_for_timestep_sampling("none", batch_size=len(clean), logit_mean=0, logit_std=1)
    timesteps = peer.schedule.timesteps[(drawn * peer.schedule.config.num_train_timesteps).long()].to(clean.device)
    places = [(peer.schedule.timesteps == each).nonzero().item() for each in timesteps]
    sigmas = peer.schedule.sigmas.to(clean)[places].flatten().view(-1, 1, 1, 1)
    packed = Flux2KleinPipeline._pack_latents((1.0 - sigmas) * clean + sigmas * noise)
    predicted = peer.transformer(
        hidden_states=packed, timestep=timesteps / 1000, guidance=None, encoder_hidden_states=prompt,
        txt_ids=text_ids, img_ids=image_ids, return_dict=False,
    )[0]  # fmt: skip
    predicted = Flux2KleinPipeline._unpack_latents_with_ids(predicted[:, : packed.size(1)], image_ids)
    weighting = compute_loss_weighting_for_sd3("none", sigmas=sigmas)
    error = weighting.float() * (predicted.float() - (noise - clean).float()) ** 2
    return torch.mean(error.reshape(len(clean), -1), 1).mean()
