"""A LoRA after a short training on two pictures: the probe's numbers move the way they are said to."""

from __future__ import annotations

import pytest
import torch

from lora_doctor.probe.loss import losses
from lora_doctor.probe.prompts import Asking, PromptProbe
from lora_doctor.train import adapters
from lora_doctor.train.families import Family, Models, collate
from lora_doctor.train.job import Adapter, Timesteps
from lora_doctor.train.loading import load_folder

from .test_probe import Picture

SEEN = 2  # pictures trained on; the others are held out


@pytest.fixture(scope="module")
def pictures_and_models(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Family, Models, list[Picture], list[list[float]]]:
    """A tiny Klein with a trained adapter; the pictures; their losses on the base before any adapter was there."""
    from tests.train.tiny import make_klein

    family, models = load_folder(make_klein(tmp_path_factory.mktemp("tiny")))
    pixels = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(3)) * 2 - 1
    texts = ["a red ring", "a blue star", "a gold cross", "an old tree"]
    latents, prompts = family.encode_images(models, pixels), family.encode_prompts(models, texts)
    sizes = torch.tensor([32.0, 32, 0, 0, 32, 32])
    pictures = [Picture(x.detach(), p, sizes, f"{i}.png") for i, (x, p) in enumerate(zip(latents, prompts))]
    base = losses(family, models, pictures)
    adapters.inject(family, models, Adapter(rank=16, alpha=16))
    overfit(family, models, pictures[:SEEN])
    return family, models, pictures, base


def overfit(family: Family, models: Models, pictures: list[Picture]) -> None:
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(adapters.trainable(family, models).values(), lr=1e-2)
    latents, prompts = torch.stack([p.latents for p in pictures]), collate([p.prompts for p in pictures])
    for _ in range(60):
        noise = torch.randn(latents.shape, generator=generator)
        levels = family.draw_levels(models, Timesteps(), latents.shape, generator)
        predicted = family.predict(models, family.noisy(models, latents, noise, levels), levels, prompts)
        loss = (predicted - family.target(models, latents, noise, levels)).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(adapters.trainable(family, models).values(), 1.0)
        optimizer.step()
        optimizer.zero_grad()


Overfit = tuple[Family, Models, list[Picture], list[list[float]]]


def test_at_strength_zero_the_base_answers_bit_by_bit(pictures_and_models: Overfit) -> None:
    family, models, pictures, base = pictures_and_models
    with adapters.strength(models, 0.0):
        assert losses(family, models, pictures) == base
    assert losses(family, models, pictures) != base


def test_the_prompts_of_what_was_learned_move_most_at_full_strength(pictures_and_models: Overfit) -> None:
    family, models, pictures, _ = pictures_and_models
    taught = tuple(p.prompts for p in pictures[:SEEN])
    others = tuple(p.prompts for p in pictures[SEEN:])
    probe = PromptProbe(Asking(taught, ((taught[0], taught[1]),), others), pictures[0])
    found = {}
    for value in (0.25, 0.5, 1.0):
        with adapters.strength(models, value):
            found[value] = probe(family, models).drift
    drifts = [value for value in found.values() if value is not None]
    assert len(drifts) == 3
    assert drifts == sorted(drifts)
    assert drifts[0] > 0
