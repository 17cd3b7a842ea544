"""Linear layers of a frozen model, with a LoRA and without, in few and fast kernels.

PEFT multiplies by A and by B, scales and adds one after the other, forward and backward, each time over the whole
output. Here scaling and adding are part of the product, the adapter is converted to the input's format (it is small)
and not the input to the adapter's, and the gradients are taken in the order that is cheap where the rank is small.
Adapters that are switched off, merged or of another kind (DoRA) go PEFT's own way.

Products of fp32 matrices are Intel's MKL on a CPU, which leaves AVX-512 unused on other makers' processors: oneDNN,
which torch has too, takes 0.45 times as long (AMD EPYC, 352 x 160 by 160 x 1440).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from peft.tuners import lora
from torch import Tensor, nn

from lora_doctor.train.stacked import Stacked

ONEDNN = hasattr(torch.ops.mkldnn, "_linear_pointwise")
SMALL = 1 << 20  # multiplications up to which a call of oneDNN costs more than it gains


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W' + bias of `[n, in]` and `[out, in]`: `[n, out]`; no gradient comes of it."""
    large = x.device.type == "cpu" and x.dtype is torch.float32 and x.numel() * weight.shape[0] > SMALL
    if large and ONEDNN and not torch.compiler.is_compiling():  # the compiler knows it for constant weights alone
        found: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
        return found
    return nn.functional.linear(x, weight, bias)


class Frozen(torch.autograd.Function):
    """`product` with a gradient of x alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight)
        return product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, out: Tensor) -> Any:
        (weight,) = ctx.saved_tensors
        return product(out, weight.T), None, None


class Adapted(torch.autograd.Function):
    """x W' + bias + scale * x A' B', with gradients of x, A and B."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, down: Tensor, up: Tensor, scale: float
    ) -> Tensor:
        ctx.formats, ctx.scale = (down.dtype, up.dtype), scale
        down, up = down.to(x.dtype), up.to(x.dtype)
        inner = product(x, down)
        ctx.save_for_backward(x, weight, down, up, inner)
        return product(x, weight, bias).addmm_(inner, up.T, alpha=scale)

    @staticmethod
    def backward(ctx: Any, out: Tensor) -> Any:
        x, weight, down, up, inner = ctx.saved_tensors
        back = product(out, up.T).mul_(ctx.scale)
        of_x = product(out, weight.T).addmm_(back, down) if ctx.needs_input_grad[0] else None
        of_down = (back.T @ x).to(ctx.formats[0])
        of_up = product(inner.T, out.T).mul_(ctx.scale).T.to(ctx.formats[1])  # [r, out]: the long side is contiguous
        return of_x, None, None, of_down, of_up, None


def _frozen(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    made: Tensor = Frozen.apply(x, weight, bias)  # type: ignore[no-untyped-call]
    return made


def _adapted(x: Tensor, weight: Tensor, bias: Tensor | None, down: Tensor, up: Tensor, scale: float) -> Tensor:
    made: Tensor = Adapted.apply(x, weight, bias, down, up, scale)  # type: ignore[no-untyped-call]
    return made


class Linear(lora.Linear):  # type: ignore[misc]  # PEFT has no types
    """PEFT's layer, to rounding."""

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """The base layer's output of `[..., in]` and what one active adapter adds to it: `[..., out]`."""
        names = self.active_adapters
        apart = self.disable_adapters or self.merged or self.lora_variant or len(names) != 1
        if args or kwargs or apart or x.dim() < 2:
            other: Tensor = super().forward(x, *args, **kwargs)
            return other
        down, up, scale = self.lora_A[names[0]].weight, self.lora_B[names[0]].weight, self.scaling[names[0]]
        rows, dropout = x.flatten(0, -2), self.lora_dropout[names[0]]
        weight, bias = self.base_layer.weight, self.base_layer.bias
        if isinstance(dropout, nn.Identity) or not dropout.training:
            whole = _adapted(rows, weight, bias, down, up, scale)
        else:
            inner = nn.functional.linear(dropout(rows), down.to(rows.dtype))
            # in place: a matrix product does not need its own result for the backward pass
            whole = _frozen(rows, weight, bias).addmm_(inner, up.to(rows.dtype).T, alpha=scale)
        if isinstance(self.base_layer, Stacked):
            whole = self.base_layer.added(rows, whole)
        return whole.view(*x.shape[:-1], -1)


class Plain(nn.Linear):
    """torch's layer with a frozen weight, on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        """`[..., in]` -> `[..., out]`."""
        return _frozen(x.flatten(0, -2), self.weight, self.bias).view(*x.shape[:-1], -1)


def by_noise(denoiser: nn.Module, least: int, levels: float) -> None:
    """Let the rank of a denoiser's LoRA layers fall with noise: T-LoRA (arXiv:2507.05964) without its orthogonal start.

    At noise level t of T all but the first floor((1 - t / T) * (rank - least)) + least directions count nothing.
    `levels` is the denoiser's T. The mask follows every call of the denoiser, the pipeline's own too.
    """
    noise = Noise()

    def heard(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = kwargs["timestep"] if "timestep" in kwargs else args[1]
        noise.levels = torch.as_tensor(given).detach().float().reshape(-1) / levels

    denoiser.register_forward_pre_hook(heard, with_kwargs=True)
    for layer in list(denoiser.modules()):
        for down in getattr(layer, "lora_A", {}).values():
            down.register_forward_hook(partial(_masked, noise, least))


class Noise:
    """The noise levels of the denoiser's last call, 0 to 1: `[B]`, or `[1]` for all."""

    levels: Tensor | None = None


def _masked(noise: Noise, least: int, down: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
    """What A gives, `[B, ..., rank]` (a convolution's: `[B, rank, h, w]`), with the directions of this noise level."""
    if noise.levels is None:
        return output
    place = 1 if isinstance(down, nn.Conv2d) else -1
    rank = output.shape[place]
    count = ((1 - noise.levels.to(output.device)) * (rank - min(least, rank))).floor() + min(least, rank)
    mask = torch.arange(rank, device=output.device) < count[:, None]
    shape = [len(mask)] + [1] * (output.dim() - 1)
    shape[place] = rank
    return output * mask.view(shape).to(output.dtype)


def quicken(module: nn.Module) -> None:
    """Make the linear layers of a frozen module these; quantised and converted ones stay, they have their own ways."""
    for layer in list(module.modules()):
        if type(layer) is lora.Linear:
            layer.__class__ = Linear
        elif type(layer) is nn.Linear and layer.weight.device.type == "cpu" and not layer.weight.requires_grad:
            layer.__class__ = Plain
