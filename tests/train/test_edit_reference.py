"""Training on pairs equals the edit pipelines: their tokens, their positions, their input, to 1e-5 over 20 steps.

As in `test_reference.py`, the reference side uses nothing of lora_doctor.train.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    DiffusionPipeline,
    Flux2KleinPipeline,
    StableDiffusionXLInstructPix2PixPipeline,
    UNet2DConditionModel,
)
from peft import LoraConfig, get_peft_model_state_dict
from PIL import Image
from torch import Tensor

from lora_doctor.train.adapters import inject, state, trainable
from lora_doctor.train.control import Control, seen, seen_pixels, viewing
from lora_doctor.train.families import collate, klein
from lora_doctor.train.job import Adapter, Data, Job, Memory, Model, Precision, Training
from lora_doctor.train.loading import load

from .test_reference import CAPTIONS, RATE, STEPS, Step, draws, images, sdxl_captions
from .tiny import LAYERS, LENGTH

SHAPES = ((64, 64), (80, 64))  # of two control images, pixels


def edit_job(folder: Path, family: str) -> Job:
    whole = Precision("fp32", "fp32", "fp32", "fp32", "fp32")
    data = (Data(folder, (), control=(folder,)),)
    return Job(
        folder, Model(folder, family), data, Training(1), precision=whole, memory=Memory(gradient_checkpointing=False)
    )


def controls() -> list[Tensor]:
    """Two images each of two shapes, [2, 3, H, W] from -1 to 1."""
    generator = torch.Generator().manual_seed(2)
    return [torch.rand(2, 3, h, w, generator=generator) * 2 - 1 for w, h in SHAPES]


def klein_edit(pipe: Any) -> tuple[Tensor, Step]:
    """After Flux2KleinPipeline.__call__ with images, train_dreambooth_lora_flux2_klein_img2img.py."""
    vae, transformer = pipe.vae, pipe.transformer

    def encoded(pixels: Tensor) -> Tensor:
        z = vae.encode(pixels).latent_dist.mode()
        b, c, h, w = z.shape
        z = z.view(b, c, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 2, 4).reshape(b, 4 * c, h // 2, w // 2)
        mean, var = vae.bn.running_mean.view(1, -1, 1, 1), vae.bn.running_var.view(1, -1, 1, 1)
        normal: Tensor = (z - mean) / torch.sqrt(var + vae.config.batch_norm_eps)
        return normal

    z, shown = encoded(images()), [encoded(each) for each in controls()]
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
    grids = [(0, z), *((10 * (i + 1), each) for i, each in enumerate(shown))]
    ids = [[t, y, x, 0] for t, each in grids for y in range(each.shape[2]) for x in range(each.shape[3])]
    image_ids = torch.tensor(ids).expand(2, -1, -1)
    behind = [each.reshape(2, each.shape[1], -1).permute(0, 2, 1) for each in shown]

    def step(noise: Tensor, sigma: Tensor) -> Tensor:
        s = sigma.view(-1, 1, 1, 1)
        packed = ((1 - s) * z + s * noise).reshape(2, z.shape[1], -1).permute(0, 2, 1)
        out = transformer(
            hidden_states=torch.cat([packed, *behind], dim=1), timestep=sigma, guidance=None,
            encoder_hidden_states=text, txt_ids=text_ids, img_ids=image_ids, return_dict=False,
        )[0]  # fmt: skip
        wanted = (noise - z).reshape(2, z.shape[1], -1).permute(0, 2, 1)
        return torch.mean((out[:, : packed.shape[1]].float() - wanted.float()) ** 2)

    return z, step


def sdxl_edit(pipe: Any) -> tuple[Tensor, Step]:
    """After train_instruct_pix2pix_sdxl.py: a wider first layer, zeros in it, unscaled latents of the original."""
    old = pipe.unet.conv_in
    new = torch.nn.Conv2d(8, old.out_channels, old.kernel_size, old.stride, old.padding)
    with torch.no_grad():
        new.weight.zero_()
        new.weight[:, :4].copy_(old.weight)
        new.bias.copy_(old.bias)  # type: ignore[union-attr]
    pipe.unet.conv_in = new.requires_grad_(False)
    kept = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2, 0)
    z = pipe.vae.encode(images()).latent_dist.mode() * pipe.vae.config.scaling_factor
    original = pipe.vae.encode(controls()[0]).latent_dist.mode()
    text, pooled = sdxl_captions(pipe)
    sizes = torch.tensor([[64, 64, 0, 0, 64, 64]] * 2, dtype=torch.float32)

    def step(noise: Tensor, timesteps: Tensor) -> Tensor:
        a = kept[timesteps].view(-1, 1, 1, 1)
        out = pipe.unet(
            torch.cat([a.sqrt() * z + (1 - a).sqrt() * noise, original], dim=1), timesteps, encoder_hidden_states=text,
            added_cond_kwargs={"text_embeds": pooled, "time_ids": sizes}, return_dict=False,
        )[0]  # fmt: skip
        return torch.mean((out.float() - noise.float()) ** 2)

    return z, step


@pytest.mark.parametrize("name", ["flux2-klein", "sdxl"])
def test_losses_and_lora_equal_the_pipelines(name: str, klein_folder: Path, sdxl_folder: Path) -> None:
    folder = {"flux2-klein": klein_folder, "sdxl": sdxl_folder}[name]
    family, models = load(edit_job(folder, name), "cpu")
    inject(family, models, Adapter(rank=4, alpha=8.0, targets="attention"), seed=5)
    start = {key: value.clone() for key, value in state(family, models).items()}
    shape = (2, *family.encode_images(models, images()).shape[1:])

    def levels(generator: torch.Generator) -> Tensor:
        return family.draw_levels(models, edit_job(folder, name).timesteps, shape, generator)

    pipe = DiffusionPipeline.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    theirs, finish = script(pipe, name, start, levels)
    latents = family.encode_images(models, images())
    shown = [family.encode_control(models, each) for each in controls()[: 2 if name == "flux2-klein" else 1]]
    prompts = collate(family.encode_prompts(models, CAPTIONS))
    prompts |= {f"control_{nth}": each for nth, each in enumerate(shown)}
    optimizer = torch.optim.AdamW(trainable(family, models).values(), lr=RATE, weight_decay=0.01)
    mine = []
    for noise, drawn in draws(latents, levels):
        out = family.predict(models, family.noisy(models, latents, noise, drawn), drawn, prompts)
        loss = ((out - family.target(models, latents, noise, drawn)) ** 2).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        mine.append(loss.item())
    assert len(mine) == STEPS
    assert mine == pytest.approx(theirs, rel=1e-5)
    ends = state(family, models)
    assert ends.keys() == finish.keys()
    for key, end in ends.items():
        assert torch.linalg.norm(end - finish[key]) <= 1e-5 * torch.linalg.norm(finish[key]), key
    if name == "sdxl":
        assert not torch.equal(ends["unet.conv_in.lora_B.weight"], start["unet.conv_in.lora_B.weight"])


def script(pipe: Any, name: str, start: dict[str, Tensor], levels: Any) -> tuple[list[float], dict[str, Tensor]]:
    """PEFT, AdamW and mean squared error, as in the example scripts."""
    part = "unet" if name == "sdxl" else "transformer"
    denoiser = getattr(pipe, part)
    for each in (denoiser, pipe.vae, pipe.text_encoder, getattr(pipe, "text_encoder_2", pipe.text_encoder)):
        each.requires_grad_(False)
    latents, step = (sdxl_edit if name == "sdxl" else klein_edit)(pipe)
    targets = sorted({key.partition(".lora_")[0].removeprefix(f"{part}.") for key in start})
    first = {"conv_in": 36} if name == "sdxl" else {}  # 4 channels x 3 x 3: any weights
    patterns: dict[str, Any] = {"rank_pattern": first, "alpha_pattern": dict(first)}
    denoiser.add_adapter(LoraConfig(r=4, lora_alpha=8, target_modules=targets, **patterns))
    for key, parameter in denoiser.named_parameters():
        if parameter.requires_grad:
            parameter.data = start[f"{part}.{key.replace('.default', '')}"].clone()
    optimizer = torch.optim.AdamW([p for p in denoiser.parameters() if p.requires_grad], lr=RATE, weight_decay=0.01)
    losses = []
    for noise, drawn in draws(latents, levels):
        loss = step(noise, drawn)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses, {f"{part}.{key}": value for key, value in get_peft_model_state_dict(denoiser).items()}


class Looked(Flux2KleinPipeline):  # type: ignore[misc]
    """The pipeline as it is, its prepared images looked at."""

    def prepare_image_latents(self, images: list[Tensor], *args: Any, **more: Any) -> tuple[Tensor, Tensor]:
        self.images, self.reference = images, super().prepare_image_latents(images, *args, **more)
        found: tuple[Tensor, Tensor] = self.reference
        return found


def picture(size: tuple[int, int], folder: Path) -> tuple[Path, Image.Image]:
    """A noise picture of this width and height, in a file."""
    levels = np.random.default_rng(size[0]).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    path = folder / f"{size[0]}x{size[1]}.png"
    Image.fromarray(levels).save(path)
    return path, Image.fromarray(levels)


def test_kleins_tokens_are_the_pipelines(klein_folder: Path, tmp_path: Path) -> None:
    """One forward of the real pipeline with two images, and what training would have made of the same."""
    family, models = load(edit_job(klein_folder, "flux2-klein"), "cpu")
    made = [picture(size, tmp_path) for size in ((100, 70), (64, 91))]
    pipe = Looked(
        *[getattr(models.pipeline, n) for n in ("scheduler", "vae", "text_encoder", "tokenizer", "transformer")]
    )
    pipe.set_progress_bar_config(disable=True)
    given: list[dict[str, Any]] = []
    models.denoiser.register_forward_pre_hook(lambda _, args, kwargs: given.append(kwargs), with_kwargs=True)
    embeds = family.encode_prompts(models, ["make it red"])[0]["prompt_embeds"][None]
    noise = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    pipe(
        image=[image for _, image in made], prompt_embeds=embeds, latents=noise, num_inference_steps=1,
        guidance_scale=1.0, width=64, height=64, output_type="latent",
    )  # fmt: skip

    views = viewing(edit_job(klein_folder, "flux2-klein"))([Control(p, i.size) for p, i in made], 1024, None)  # type: ignore[arg-type]
    shown = [seen_pixels(view, path.read_bytes()) for view, (path, _) in zip(views, made)]
    pixels = [torch.from_numpy(each.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1 for each in shown]
    for mine, theirs in zip(pixels, pipe.images, strict=True):
        assert torch.allclose(mine, theirs, atol=1e-6)
    control = [family.encode_control(models, each) for each in pixels]
    tokens, positions = klein.image_tokens(noise, control)
    assert torch.allclose(tokens, given[0]["hidden_states"], atol=1e-5)
    assert torch.equal(positions, given[0]["img_ids"])
    assert set(positions[0, :, 0].tolist()) == {0, 10, 20}
    given.clear()
    prompts = {"prompt_embeds": embeds} | {f"control_{nth}": each for nth, each in enumerate(control)}
    family.predict(models, noise, torch.ones(1), prompts)
    assert torch.equal(given[0]["txt_ids"], pipe._prepare_text_ids(embeds))


@pytest.mark.parametrize("size", [(1500, 900), (1024, 1024), (1025, 1024), (67, 64), (500, 64), (641, 2000)])
def test_control_images_are_sized_as_the_pipeline_does(
    size: tuple[int, int], klein_folder: Path, tmp_path: Path
) -> None:
    class StoppedError(Exception):
        pass

    class Stopped(Looked):
        def prepare_image_latents(self, images: list[Tensor], *args: Any, **more: Any) -> tuple[Tensor, Tensor]:
            self.images = images
            raise StoppedError

    _, models = load(edit_job(klein_folder, "flux2-klein"), "cpu")
    parts = [getattr(models.pipeline, n) for n in ("scheduler", "vae", "text_encoder", "tokenizer", "transformer")]
    pipe = Stopped(*parts)
    path, image = picture(size, tmp_path)
    with pytest.raises(StoppedError):
        pipe(image=image, prompt_embeds=torch.zeros(1, LENGTH, 48), guidance_scale=1.0)
    (view,) = viewing(edit_job(klein_folder, "flux2-klein"))([Control(path, size)], 1024, None)  # type: ignore[arg-type]
    mine = torch.from_numpy(seen_pixels(view, path.read_bytes()).copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    assert torch.allclose(mine, pipe.images[0], atol=1e-6)
    again = pipe.image_processor.preprocess(
        seen(view, path.read_bytes()), height=view.size[1], width=view.size[0], resize_mode="crop"
    )
    assert torch.equal(again, pipe.images[0]), "what sample images are drawn with"


def test_sdxls_lora_loads_in_diffusers_alone(sdxl_folder: Path, tmp_path: Path) -> None:
    """The lines that docs/edit.md gives, and nothing of lora-doctor."""
    from lora_doctor.train.exports import write

    family, models = load(edit_job(sdxl_folder, "sdxl"), "cpu")
    inject(family, models, Adapter(rank=4, alpha=8.0), seed=5)
    generator = torch.Generator().manual_seed(1)
    for parameter in trainable(family, models).values():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.05
    write(family, models, tmp_path / "pytorch_lora_weights.safetensors", dtype="fp32")
    _, image = picture((64, 64), tmp_path)
    mine = family.sample(models, ["make it red"], [7], steps=3, size=(64, 64), control=[[image]])[0]

    unet = UNet2DConditionModel.from_pretrained(sdxl_folder, subfolder="unet")
    conv = unet.conv_in
    wide = torch.nn.Conv2d(8, conv.out_channels, 3, padding=1)
    wide.load_state_dict({"weight": torch.cat([conv.weight, 0 * conv.weight], 1), "bias": conv.bias})
    unet.conv_in = wide
    unet.register_to_config(in_channels=8)
    pipe = StableDiffusionXLInstructPix2PixPipeline.from_pretrained(sdxl_folder, unet=unet, add_watermarker=False)
    pipe.load_lora_weights(tmp_path)
    pipe.set_progress_bar_config(disable=True)
    call = {"num_inference_steps": 3, "height": 64, "width": 64, "guidance_scale": 5.0, "image_guidance_scale": 1.5}
    theirs = pipe("make it red", image=image, generator=torch.Generator().manual_seed(7), **call).images[0]
    apart = np.abs(np.asarray(mine, np.int16) - np.asarray(theirs, np.int16))
    assert apart.max() <= 1
    blank = family.sample(models, ["make it red"], [7], steps=3, size=(64, 64), control=[[]])[0]
    assert np.abs(np.asarray(mine, np.int16) - np.asarray(blank, np.int16)).max() > 1, "the image counts"
