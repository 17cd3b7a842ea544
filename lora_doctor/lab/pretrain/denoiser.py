"""The denoiser's stage: flow matching (or noise prediction) with its text encoders trained along, from scratch."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .attention import plain_attention
from .captions import written
from .guide import Guide, labels
from .pictures import Pictures
from .progress import Clock

HELD_OUT = 256  # pictures at the end that no step sees
BLOCKS = ("blocks", "layers", "attentions")  # parameters whose matrices Muon turns


class Recipe(NamedTuple):
    """One pretraining. Rates are peaks: constant after warm-up, falling to zero over the last share `cooldown`."""

    steps: int
    batch: int = 40
    matrix_rate: float = 4e-3
    other_rate: float = 3e-3
    cooldown: float = 0.35
    guide: float = 1.0
    average: float = 0.999


class Model(NamedTuple):
    """A family under pretraining: its pipeline, how it is asked (a module of `lab.micro`), and the guided block."""

    pipe: Any
    family: Any
    denoiser: nn.Module
    encoders: tuple[nn.Module, ...]
    guided: nn.Module
    width: int
    tokens: int


def parameters(model: Model) -> list[tuple[str, nn.Parameter]]:
    """Everything that learns, by name."""
    parts = {"denoiser": model.denoiser, **{f"encoder{i}": e for i, e in enumerate(model.encoders)}}
    return [(f"{part}.{name}", p) for part, module in parts.items() for name, p in module.named_parameters()]


def optimizers(model: Model, guide: Guide, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside blocks, AdamW for embeddings, norms, projections in and out."""
    named = parameters(model)
    matrices = [p for name, p in named if p.ndim == 2 and any(b in name for b in BLOCKS) and "embed" not in name]
    chosen = {id(p) for p in matrices}
    others = [p for _, p in named if id(p) not in chosen]
    return [
        torch.optim.Muon(matrices, recipe.matrix_rate, weight_decay=0.02, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW([*others, *guide.parameters()], recipe.other_rate, betas=(0.9, 0.98), weight_decay=0.01),
    ]


def rate(step: int, recipe: Recipe) -> float:
    """The share of the peak rate at a step."""
    falling = (recipe.steps - step) / (recipe.cooldown * recipe.steps)
    return min(1.0, (step + 1) / 200, max(falling, 0.0))


class Averages:
    """An exponential moving average of everything that learns; `swap` trades it with the weights."""

    def __init__(self, weights: list[nn.Parameter], decay: float) -> None:
        self.weights, self.decay = weights, decay
        self.means = [w.detach().clone() for w in weights]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """One step; younger averages forget faster."""
        torch._foreach_lerp_(
            self.means, [w.detach() for w in self.weights], 1 - min(self.decay, (1 + step) / (10 + step))
        )

    @torch.no_grad()
    def swap(self) -> None:
        """The weights become the average and the other way round."""
        for weight, mean in zip(self.weights, self.means, strict=True):
            kept = weight.data.clone()
            weight.data.copy_(mean)
            mean.copy_(kept)


def train_denoiser(
    model: Model,
    data: Pictures,
    latents: Tensor,
    folder: Path,
    recipe: Recipe,
    device: str,
    look: Callable[[int], None],
    compiled: bool = True,
    every: int = 1000,
) -> None:
    """Trains in place from packed latents [N, ...], or resumes; `look(step)` is called with the averaged weights."""
    guide = Guide(model.width).to(device)
    guide.watch(model.guided, model.tokens)
    classes, maps = labels(data.scenes), torch.from_numpy(data.maps).flatten(1)
    tuners = optimizers(model, guide, recipe)
    averages = Averages([p for _, p in parameters(model)], recipe.average)
    peaks = [group["lr"] for tuner in tuners for group in tuner.param_groups]
    start = _resume(folder / "denoiser.pt", model, guide, tuners, averages)
    if compiled:
        _compile(model)
    clock = Clock(folder / "denoiser.log", recipe.steps, recipe.batch, start)
    with plain_attention(device):
        for step in range(start, recipe.steps):
            generator = torch.Generator().manual_seed(step)
            chosen = torch.randint(0, len(latents) - HELD_OUT, (recipe.batch,), generator=generator)
            texts = random.Random(step)
            prompts = [written(data.scenes[i], texts) for i in chosen.tolist()]
            fit = _fit(model, latents[chosen].float().to(device), prompts, generator)
            share = maps[chosen].to(device).float() / 255
            loss = fit + recipe.guide * min(1.0, 2 * rate(step, recipe)) * guide.loss(share, classes[chosen].to(device))
            _step(loss, tuners, peaks, rate(step, recipe), model)
            averages.update(step)
            clock.tell(step, fit.item())
            if (step + 1) % every == 0 or step + 1 == recipe.steps:
                _save(folder / "denoiser.pt", model, guide, tuners, averages, step + 1)
                averages.swap()
                clock.say(_held_out(model, data, latents, device, step + 1))
                look(step + 1)
                averages.swap()
    averages.swap()


def _fit(model: Model, latents: Tensor, prompts: list[str], generator: torch.Generator) -> Tensor:
    level = model.family.draw(len(latents), generator).to(latents.device)
    noise = torch.randn(latents.shape, generator=generator).to(latents)
    return _error(model, latents, noise, level, prompts)


def _error(model: Model, latents: Tensor, noise: Tensor, level: Tensor, prompts: list[str]) -> Tensor:
    noisy = model.family.noisy(latents, noise, level)
    with torch.autocast(latents.device.type, torch.bfloat16):
        out = model.family.predict(model.pipe, noisy, level, model.family.embed(model.pipe, prompts))
    error = (out.float() - model.family.target(latents, noise, level)).square().flatten(1).mean(1)
    loss: Tensor = (model.family.weight(level) * error).mean()
    return loss


def _step(loss: Tensor, tuners: list[torch.optim.Optimizer], peaks: list[float], share: float, model: Model) -> None:
    for tuner in tuners:
        tuner.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_([p for _, p in parameters(model)], 1.0)
    for group, peak in zip((g for t in tuners for g in t.param_groups), peaks, strict=True):
        group["lr"] = peak * share
    for tuner in tuners:
        tuner.step()


@torch.no_grad()
def _held_out(model: Model, data: Pictures, latents: Tensor, device: str, step: int) -> str:
    """The loss on held-out pictures with their own captions, and with each other's."""
    from ..world.scene import caption

    generator = torch.Generator().manual_seed(7)
    kept = latents[-HELD_OUT:].float().to(device)
    noise = torch.randn(kept.shape, generator=generator).to(kept)
    level = model.family.even(HELD_OUT)[torch.randperm(HELD_OUT, generator=generator)].to(device)
    own = [caption(scene) for scene in data.scenes[-HELD_OUT:]]
    right, wrong = (_error(model, kept, noise, level, prompts).item() for prompts in (own, own[::-1]))
    return f"step {step}: held-out loss {right:.4f}, with wrong captions {wrong:.4f}"


def _compile(model: Model) -> None:
    """Block by block: one compilation serves all blocks of a kind."""
    for name, module in model.denoiser.named_modules():
        if name.split(".")[-1].isdigit() and "blocks" in name.split(".")[-2]:
            module.forward = torch.compile(module.forward)


def _save(
    path: Path, model: Model, guide: Guide, tuners: list[torch.optim.Optimizer], averages: Averages, step: int
) -> None:
    partial = path.with_suffix(".tmp")
    state = {
        "weights": {name: p.detach() for name, p in parameters(model)},
        "means": averages.means,
        "guide": guide.state_dict(),
        "optimizers": [t.state_dict() for t in tuners],
        "step": step,
    }
    torch.save(state, partial)
    partial.replace(path)


@torch.no_grad()
def _resume(path: Path, model: Model, guide: Guide, tuners: list[torch.optim.Optimizer], averages: Averages) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True, map_location="cpu")
    for name, parameter in parameters(model):
        parameter.copy_(state["weights"][name])
    for mean, saved in zip(averages.means, state["means"], strict=True):
        mean.copy_(saved)
    guide.load_state_dict(state["guide"])
    for tuner, saved in zip(tuners, state["optimizers"], strict=True):
        tuner.load_state_dict(saved)
    return int(state["step"])
