"""Questions asked of tiny pipelines: formulas on predictions that are known, and what an adapter changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from lora_doctor.probe.loss import SIGMAS, losses, shifted
from lora_doctor.probe.predict import Answer, Asked, answers, clean, noise_like
from lora_doctor.probe.prompts import Asking, PromptProbe, response
from lora_doctor.train import adapters
from lora_doctor.train.families import Family, Models, family_of
from lora_doctor.train.job import Adapter, Job, Memory, Model, Precision, Training
from lora_doctor.train.loading import load

FAMILIES = ("klein", "sana", "sdxl")


class Picture(NamedTuple):
    latents: torch.Tensor
    prompts: dict[str, torch.Tensor]
    sizes: torch.Tensor
    name: str


class Case(NamedTuple):
    family: Family
    models: Models
    pictures: list[Picture]
    prompts: list[dict[str, torch.Tensor]]


@pytest.fixture(scope="module", params=FAMILIES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A tiny pipeline with a fresh adapter, three pictures and eight prompts."""
    from tests.train import tiny

    folder: Path = getattr(tiny, f"make_{request.param}")(tmp_path_factory.mktemp("tiny"))
    family = family_of(folder)
    job = Job(folder, Model(folder, family.ID), (), Training(1), precision=Precision(*["fp32"] * 5))
    job = job._replace(memory=Memory(gradient_checkpointing=False))
    family, models = load(job, torch.device("cpu"))
    adapters.inject(family, models, Adapter(rank=2, alpha=2.0), seed=1)
    torch.manual_seed(0)
    pixels = torch.rand(3, 3, 64, 64) * 2 - 1
    texts = [f"a {colour} ring" for colour in ("red", "blue", "green", "black", "white", "gold", "old", "new")]
    with torch.no_grad():
        latents, prompts = family.encode_images(models, pixels), family.encode_prompts(models, texts)
    sizes = torch.tensor([64.0, 64, 0, 0, 64, 64])
    pictures = [Picture(latent, prompt, sizes, f"{i}.png") for i, (latent, prompt) in enumerate(zip(latents, prompts))]
    return Case(family, models, pictures, prompts)


@pytest.fixture
def moved(case: Case) -> Any:
    """The same with an adapter that changes something; afterwards fresh again."""
    weights = adapters.trainable(case.family, case.models)
    before = {name: weight.detach().clone() for name, weight in weights.items()}
    torch.manual_seed(2)
    with torch.no_grad():
        for weight in weights.values():
            weight.add_(torch.randn_like(weight) * 0.2)
    yield case
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(before[name])


def test_noise_is_known_by_its_name() -> None:
    latents = torch.zeros(4, 8, 8)
    assert torch.equal(noise_like(latents, "a"), noise_like(latents, "a"))
    assert not torch.equal(noise_like(latents, "a"), noise_like(latents, "b"))
    assert float(noise_like(torch.zeros(4, 100, 100), "c").std()) == pytest.approx(1, abs=0.02)


def test_a_perfect_prediction_gives_the_image_back(case: Case) -> None:
    latents = case.pictures[0].latents
    for sigma in (0.1, 0.5, 0.9):
        noise, levels = noise_like(latents, "x"), case.family.levels_at(case.models, torch.tensor([sigma]))
        noisy = case.family.noisy(case.models, latents[None], noise[None], levels)[0]
        target = case.family.target(case.models, latents[None], noise[None], levels)[0]
        found = clean(case.family, case.models, Answer(noisy, noise, levels[0], target, target))
        assert torch.allclose(found, latents, atol=1e-3)


def test_losses_are_always_the_same_and_do_not_depend_on_the_batch(case: Case) -> None:
    whole = losses(case.family, case.models, case.pictures)
    assert (len(whole), len(whole[0])) == (3, len(SIGMAS))
    assert losses(case.family, case.models, case.pictures) == whole
    alone = losses(case.family, case.models, case.pictures[1:2])
    assert alone[0] == pytest.approx(whole[1], rel=1e-4)


def test_losses_against_the_definition(case: Case) -> None:
    picture, sigma = case.pictures[0], SIGMAS[3]
    levels = case.family.levels_at(case.models, torch.tensor([sigma]))
    noise = noise_like(picture.latents, f"{picture.name} {sigma:.4f}")[None]
    prompts = {key: value[None] for key, value in picture.prompts.items()}
    with torch.no_grad():
        noisy = case.family.noisy(case.models, picture.latents[None], noise, levels)
        predicted = case.family.predict(case.models, noisy, levels, prompts, picture.sizes[None])
        target = case.family.target(case.models, picture.latents[None], noise, levels)
    expected = float(((predicted - target) ** 2).mean())
    assert losses(case.family, case.models, [picture])[0][3] == pytest.approx(expected, rel=1e-4)


def test_a_fresh_adapter_changes_nothing(case: Case) -> None:
    asking = Asking(tuple(case.prompts[:4]), ((case.prompts[4], case.prompts[5]),), tuple(case.prompts[6:]))
    found = PromptProbe(asking, case.pictures[0])(case.family, case.models)
    assert found.sensitivity == pytest.approx(1)
    assert found.drift == found.drift_unrelated == 0
    assert found.leakage is None
    assert found.gain == 0


def test_a_moved_adapter_drifts_and_without_it_the_model_is_the_base(moved: Case) -> None:
    asking = Asking(tuple(moved.prompts[:4]), ((moved.prompts[4], moved.prompts[4]),), tuple(moved.prompts[6:]))
    probe = PromptProbe(asking, moved.pictures[0])
    found = probe(moved.family, moved.models)
    assert found.drift is not None
    assert found.drift > 0.001
    assert found.leakage == pytest.approx(1)  # the same prompt on both sides
    assert found.sensitivity != pytest.approx(1, abs=1e-4)
    assert set(found.sensitivity_at) == {"0.95", "0.7"}
    with adapters.strength(moved.models, 0.0):
        off = probe(moved.family, moved.models)
    assert off.drift == 0


def test_the_response_grows_with_strength(moved: Case) -> None:
    picture = moved.pictures[0]
    asked = [Asked(picture.latents, 0.7, picture.prompts, picture.sizes, "x")]
    found = response(moved.family, moved.models, lambda: asked, (0.5, 1.0, 2.0))
    assert found["1"] == 1
    assert all(0.2 < value < 5 for value in found.values())


def test_sizes_may_differ(case: Case) -> None:
    whole = case.pictures[0]
    part = whole._replace(latents=shifted(whole.latents))
    assert part.latents.shape[-1] < whole.latents.shape[-1]
    found = losses(case.family, case.models, [whole, part, whole])
    assert found[0] == pytest.approx(found[2], rel=1e-4)
    assert all(value > 0 for value in found[1])
    assert len(list(answers(case.family, case.models, []))) == 0


@pytest.mark.parametrize(("width", "kept"), [(8, 7), (16, 12), (64, 60), (128, 120), (4, 3)])
def test_the_strip_suits_unets(width: int, kept: int) -> None:
    assert shifted(torch.zeros(4, 8, width)).shape[-1] == kept
