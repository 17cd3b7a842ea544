"""The losses of `lora-doctor train` are those of a loop written anew with diffusers, PEFT and torch alone."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import Flux2KleinPipeline
from diffusers.optimization import get_scheduler
from peft import LoraConfig
from PIL import Image

from lora_doctor.train.folder import RunFolder, read_rows
from lora_doctor.train.sampler import Order
from lora_doctor.train.seeds import seed_of

from .process import config, train
from .tiny import LAYERS, LENGTH

pytestmark = pytest.mark.slow
STEPS, SEED, BATCH, PARTS = 20, 5, 2, 2


def encoded(pipeline: Any, folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents [N, 16, 8, 8] and prompts [N, L, D], as the pipeline itself makes them."""
    paths = sorted(folder.glob("*.png"))
    pixels = torch.stack([torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1) / 127.5 - 1 for path in paths])
    with torch.no_grad():
        latents = pipeline._encode_vae_image(pixels, None)
        captions = [path.with_suffix(".txt").read_text() for path in paths]
        prompts = pipeline.encode_prompt(captions, max_sequence_length=LENGTH, text_encoder_out_layers=LAYERS)[0]
    return latents, prompts


def reference(model: Path, images: Path) -> list[float]:
    pipeline = Flux2KleinPipeline.from_pretrained(model)
    latents, prompts = encoded(pipeline, images)
    denoiser = pipeline.transformer.requires_grad_(False)
    names = [name for name, module in denoiser.named_modules() if isinstance(module, torch.nn.Linear)]
    torch.manual_seed(SEED)
    denoiser.add_adapter(LoraConfig(r=4, lora_alpha=2, target_modules=sorted(names)))
    weights = [p for p in denoiser.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=2e-3, weight_decay=0.1)
    schedule = get_scheduler("cosine", optimizer, num_warmup_steps=3, num_training_steps=STEPS)
    order = Order([(64, 64)] * len(latents), [1.0] * len(latents), BATCH, SEED)
    shift = math.exp(0.5 + (1.15 - 0.5) / (4096 - 256) * (64 - 256))  # of 64 tokens
    places = torch.cartesian_prod(torch.arange(1), torch.arange(8), torch.arange(8), torch.arange(1))
    words = torch.cartesian_prod(torch.arange(1), torch.arange(1), torch.arange(1), torch.arange(LENGTH))
    losses = []
    for step in range(1, STEPS + 1):
        total = 0.0
        for part, batch in enumerate(order.step(step - 1, PARTS)):
            chosen = [shown.item for shown in batch.shown]
            x, generator = latents[chosen], torch.Generator().manual_seed(seed_of(SEED, step, 0, part))
            noise = torch.randn(x.shape, generator=generator)
            sigma = torch.sigmoid(torch.randn(len(x), generator=generator))
            sigma = shift * sigma / (1 + (shift - 1) * sigma)
            mixed = (1 - sigma.view(-1, 1, 1, 1)) * x + sigma.view(-1, 1, 1, 1) * noise
            predicted = denoiser(
                hidden_states=mixed.flatten(2).transpose(1, 2), encoder_hidden_states=prompts[chosen], timestep=sigma,
                img_ids=places.expand(len(x), -1, -1), txt_ids=words.expand(len(x), -1, -1), return_dict=False,
            )[0].transpose(1, 2).unflatten(2, (8, 8))  # fmt: skip
            loss = ((predicted - (noise - x)) ** 2).mean() * batch.weight / PARTS
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(weights, 0.5)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(total)
    return losses


def test_losses_are_the_references(tmp_path: Path, klein_folder: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    random = np.random.default_rng(1)
    for number in range(5):
        Image.fromarray(random.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(images / f"{number}.png")
        (images / f"{number}.txt").write_text(f"a zwx ring, number {number}")
    path = config(
        tmp_path,
        klein_folder,
        captions={"dropout": 0.0},
        adapter={"rank": 4, "alpha": 2, "dropout": 0.0},
        training={"steps": STEPS, "seed": SEED, "batch_size": BATCH, "accumulation": PARTS},
        optimizer={"learning_rate": 2e-3, "weight_decay": 0.1, "gradient_clip": 0.5, "ema": False},
        schedule={"name": "cosine", "warmup_steps": 3},
        saving={"every_steps": STEPS},
    )
    ran = train(path, "--no-preflight", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    ours = [row["loss"] for row in read_rows(RunFolder(tmp_path / "run").log)]
    theirs = reference(klein_folder, images)
    assert ours == pytest.approx(theirs, abs=1e-5)
    assert max(theirs) - min(theirs) > 0.01, "the losses differ from step to step"
