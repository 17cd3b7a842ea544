"""Each family does with prompts, images and noise what its pipeline does at inference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lora_doctor.train.families import Family, Models, collate
from lora_doctor.train.job import Timesteps
from lora_doctor.train.loading import load_folder

from .tiny import LAYERS, LENGTH, make_klein, make_sdxl

Loaded = tuple[Family, Models]
NAMES = ("klein", "sana", "sdxl")


@pytest.fixture(scope="module")
def loaded(klein_folder: Path, sana_folder: Path, sdxl_folder: Path) -> dict[str, Loaded]:
    return {name: load_folder(f) for name, f in zip(NAMES, (klein_folder, sana_folder, sdxl_folder))}


def shape(models: Models) -> tuple[int, ...]:
    edge = 8 if models.layers else 16
    return (2, models.denoiser.config.in_channels, edge, edge)


def call(name: str, pipeline: Any, **options: Any) -> Any:
    """The pipeline as a user calls it."""
    own: dict[str, dict[str, Any]] = {
        "klein": {"max_sequence_length": LENGTH, "text_encoder_out_layers": LAYERS},
        "sana": {"use_resolution_binning": False},
        "sdxl": {},
    }
    return pipeline(height=64, width=64, num_inference_steps=3, **own[name], **options)


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_the_pipelines_own(loaded: dict[str, Loaded], name: str) -> None:
    family, models = loaded[name]
    prompts, seeds = ["a red ring", "a blue star, on grass"], [3, 4]
    mine = family.sample(models, prompts, seeds, steps=3, size=(64, 64))
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    theirs = call(name, models.pipeline, prompt=prompts, generator=generators).images
    assert [image.tobytes() for image in mine] == [image.tobytes() for image in theirs]


@pytest.mark.parametrize("name", NAMES)
def test_samples_do_not_depend_on_their_neighbours(loaded: dict[str, Loaded], name: str) -> None:
    family, models = loaded[name]
    together = family.sample(models, ["a ring", "a star"], [1, 2], steps=2, size=(64, 64))
    alone = family.sample(models, ["a star"], [2], steps=2, size=(64, 64))[0]
    differences = [abs(a - b) for a, b in zip(together[1].tobytes(), alone.tobytes())]
    assert max(differences) <= 1, "rounding of the last digit only"
    assert together[0].tobytes() != together[1].tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_encoded_prompts_sample_the_same(loaded: dict[str, Loaded], name: str) -> None:
    family, models = loaded[name]
    prompt = family.encode_prompts(models, ["a ring"])[0]
    first = family.sample(models, [prompt], [1], steps=2, size=(64, 64), negative="blurry")[0]
    second = family.sample(models, ["a ring"], [1], steps=2, size=(64, 64), negative="blurry")[0]
    third = family.sample(models, ["a ring"], [1], steps=2, size=(64, 64))[0]
    assert first.tobytes() == second.tobytes() != third.tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_decoding_undoes_encoding(loaded: dict[str, Loaded], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the pipeline does with final latents before its VAE, `encode_images` undoes."""
    family, models = loaded[name]
    pixels = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    latents = family.encode_images(models, pixels)
    seen: list[Tensor] = []
    decode = models.vae.decode

    def listen(z: Tensor, *arguments: Any, **options: Any) -> Any:
        seen.append(z)
        return decode(z, *arguments, **options)

    monkeypatch.setattr(models.vae, "decode", listen)
    monkeypatch.setattr(models.pipeline.scheduler, "step", lambda *_, **__: (latents_as_sampled(name, latents),))
    call(name, models.pipeline, prompt=["a", "b"], guidance_scale=1.0)
    posterior = models.vae.encode(pixels)
    raw = posterior.latent if name == "sana" else posterior.latent_dist.mode()
    assert torch.allclose(seen[0], raw, atol=1e-5)


def latents_as_sampled(name: str, latents: Tensor) -> Tensor:
    return latents.flatten(2).transpose(1, 2) if name == "klein" else latents


@pytest.mark.parametrize("name", NAMES)
def test_one_prediction_is_the_pipelines_own(
    loaded: dict[str, Loaded], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The denoiser gets in training, argument by argument, what the pipeline gives it."""
    family, models = loaded[name]
    prompts = ["a red ring", "a star"]
    inside: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    forward = models.denoiser.forward

    def listen(*arguments: Any, **options: Any) -> Any:
        inside.append((arguments, options))
        return forward(*arguments, **options)

    monkeypatch.setattr(models.denoiser, "forward", listen)
    call(name, models.pipeline, prompt=prompts, guidance_scale=1.0)
    theirs = inside[1]
    inside.clear()
    arguments, options = theirs
    noisy: Tensor = options["hidden_states"] if "hidden_states" in options else arguments[0]
    time = options["timestep"] if "timestep" in options else arguments[1]
    if name == "klein":
        noisy = noisy.transpose(1, 2).reshape(2, -1, 8, 8)
    levels = time / 1000 if name == "sana" else time
    levels = levels.expand(2).long() if name == "sdxl" else levels
    family.predict(models, noisy, levels, collate(family.encode_prompts(models, prompts)))
    mine = inside[0]
    assert_same(flat(theirs), flat(mine))


def flat(call: tuple[tuple[Any, ...], dict[str, Any]]) -> dict[str, Any]:
    arguments, options = call
    found = {f"argument {i}": value for i, value in enumerate(arguments)} | options
    found |= found.pop("added_cond_kwargs", {})
    return {key: value for key, value in found.items() if value is not None}


def assert_same(theirs: dict[str, Any], mine: dict[str, Any]) -> None:
    assert theirs.keys() == mine.keys()
    for key, value in theirs.items():
        if isinstance(value, Tensor):
            other = mine[key].to(value.dtype)
            assert torch.allclose(value.expand_as(other) if value.dim() == 0 else value, other, atol=1e-6), key
        else:
            assert value == mine[key], key


@pytest.mark.parametrize("name", NAMES)
def test_following_predictions_leads_back_to_the_image(loaded: dict[str, Loaded], name: str) -> None:
    """Noisy latents and target are consistent: one step along the true target gives the latents."""
    family, models = loaded[name]
    latents, noise = torch.randn(2, *shape(models)).unbind(0)
    levels = family.levels_at(models, torch.tensor([0.3, 0.8]))
    noisy, target = family.noisy(models, latents, noise, levels), family.target(models, latents, noise, levels)
    if name == "sdxl":
        kept = models.scheduler.alphas_cumprod[levels].view(-1, 1, 1, 1)
        back = (noisy - (1 - kept).sqrt() * target) / kept.sqrt()
    else:
        back = noisy - levels.view(-1, 1, 1, 1) * target
    assert torch.allclose(back, latents, atol=1e-5)


def test_the_empty_caption_is_guidances_other_side(loaded: dict[str, Loaded], monkeypatch: pytest.MonkeyPatch) -> None:
    """What the pipeline takes without a prompt is what dropped captions are trained with."""
    for name, (family, models) in loaded.items():
        seen: list[Tensor] = []
        forward = models.denoiser.forward

        def listen(*arguments: Any, seen: list[Tensor] = seen, forward: Any = forward, **options: Any) -> Any:
            seen.append(options["encoder_hidden_states"])
            return forward(*arguments, **options)

        monkeypatch.setattr(models.denoiser, "forward", listen)
        call(name, models.pipeline, prompt="a ring", guidance_scale=4.0)
        monkeypatch.undo()
        other = seen[1] if name == "klein" else seen[0][:1]
        mine = family.encode_prompts(models, [""])[0]["prompt_embeds"]
        assert torch.allclose(other[0], mine, atol=1e-6), name


def test_sana_prompts_stand_behind_the_instruction(loaded: dict[str, Loaded]) -> None:
    family, models = loaded["sana"]
    bare = models.pipeline.encode_prompt("a ring", do_classifier_free_guidance=False)[0][0]
    mine = family.encode_prompts(models, ["a ring"])[0]["prompt_embeds"]
    assert mine.shape == bare.shape == (300, 8)
    assert not torch.allclose(mine, bare, atol=1e-3)


def test_klein_reads_the_layers_it_is_told(klein_folder: Path, loaded: dict[str, Loaded]) -> None:
    _, models = loaded["klein"]
    assert (models.layers, models.tokens) == (LAYERS, LENGTH)
    family, models = loaded["klein"]
    real = family.assemble(models.pipeline, Timesteps(), {})
    assert (real.layers, real.tokens) == ((9, 18, 27), 512)


def test_distilled_klein_samples_without_guidance(tmp_path: Path) -> None:
    family, models = load_folder(make_klein(tmp_path / "distilled", is_distilled=True))
    assert family.recommended(models) == (1.0, 4)


def test_levels(loaded: dict[str, Loaded]) -> None:
    for name, (family, models) in loaded.items():
        generator = torch.Generator().manual_seed(0)
        drawn = family.draw_levels(models, Timesteps(), (4000, *shape(models)[1:]), generator)
        share = drawn.float() / (1000 if name == "sdxl" else 1)
        assert share.min() >= 0
        assert share.max() <= 1
        assert abs(share.mean() - {"klein": 0.60, "sana": 0.71, "sdxl": 0.5}[name]) < 0.03
        again = family.draw_levels(models, Timesteps(), (4000, *shape(models)[1:]), generator.manual_seed(0))
        assert torch.equal(drawn, again)
        shifted = family.draw_levels(models, Timesteps(shift=5.0), (4000, *shape(models)[1:]))
        assert shifted.float().mean() > drawn.float().mean()


def test_velocity_and_zero_terminal_snr(tmp_path: Path, sdxl_folder: Path) -> None:
    """v after Salimans & Ho; the last timestep is pure noise after Lin et al.; the sampler follows."""
    wanted = Timesteps(prediction="v", zero_terminal_snr=True, min_snr_gamma=5.0)
    family, models = load_folder(sdxl_folder, timesteps=wanted)
    kept = models.scheduler.alphas_cumprod
    assert kept[-1].item() == 0
    latents, noise = torch.randn(2, 2, 4, 16, 16).unbind(0)
    last = torch.tensor([999, 999])
    assert torch.equal(family.noisy(models, latents, noise, last), noise)
    assert torch.equal(family.target(models, latents, noise, last), -latents)
    snr = kept / (1 - kept)
    levels = torch.arange(1000)
    weights = family.loss_weight(models, levels, wanted)
    assert torch.allclose(weights, torch.minimum(snr, torch.tensor(5.0)) / (snr + 1))
    assert models.pipeline.scheduler.config.timestep_spacing == "trailing"
    assert models.pipeline.scheduler.config.prediction_type == "v_prediction"
    plain = family.target(models, latents, noise, torch.tensor([10, 500]))
    own = load_folder(make_sdxl(tmp_path / "v", prediction="v_prediction"))[1]
    assert own.scheduler.config.prediction_type == "v_prediction"
    reference = models.scheduler.get_velocity(latents, noise, torch.tensor([10, 500]))
    assert torch.allclose(plain, reference, atol=1e-6)


def test_min_snr_of_epsilon(loaded: dict[str, Loaded]) -> None:
    from diffusers.training_utils import compute_snr

    family, models = loaded["sdxl"]
    levels = torch.tensor([0, 100, 500, 999])
    snr = compute_snr(models.scheduler, levels)
    expected = torch.minimum(snr, torch.tensor(5.0)) / snr
    assert torch.allclose(family.loss_weight(models, levels, Timesteps(min_snr_gamma=5.0)), expected)
    assert torch.equal(family.loss_weight(models, levels, Timesteps()), torch.ones(4))


def test_levels_at_given_shares_of_noise(loaded: dict[str, Loaded]) -> None:
    family, models = loaded["sdxl"]
    levels = family.levels_at(models, torch.tensor([0.1, 0.5, 0.9]))
    kept = models.scheduler.alphas_cumprod[levels]
    share = (1 - kept).sqrt() / (kept.sqrt() + (1 - kept).sqrt())
    assert torch.allclose(share, torch.tensor([0.1, 0.5, 0.9]), atol=2e-3)


def test_autocast_around_changes_nothing(loaded: dict[str, Loaded]) -> None:
    for family, models in loaded.values():
        prompts = collate(family.encode_prompts(models, ["a", "b"]))
        noisy = torch.randn(shape(models), generator=torch.Generator().manual_seed(0))
        levels = family.levels_at(models, torch.tensor([0.3, 0.8]))
        with torch.no_grad():
            plain = family.predict(models, noisy, levels, prompts)
            with torch.autocast("cpu", torch.bfloat16):
                assert torch.equal(family.predict(models, noisy, levels, prompts), plain)
