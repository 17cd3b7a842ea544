"""Optimisers, each from the library that keeps it.

adamw: torch, fused. adamw8bit: bitsandbytes (arXiv:2110.02861). adamw-kahan and lion: torch-optimi (compensated
summation, so that bf16 weights lose no small update, arXiv:2010.06192; Lion arXiv:2302.06675). adafactor: transformers,
with the rate as given (torch's scales steps by the weights' own size, and a LoRA's B starts at zero). prodigy:
prodigyopt (arXiv:2306.06101). adamw-schedulefree: schedulefree (arXiv:2405.15682). The last four libraries' authors
keep them; one collection of a hundred optimisers would bring silent keyword arguments with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from typing import Any

from lora_doctor.source.document import SourceError
from lora_doctor.train.job import Job, Optimizer

LIBRARIES = {
    "adamw8bit": ("bitsandbytes", "bitsandbytes"),
    "adamw-kahan": ("optimi", "torch-optimi"),
    "lion": ("optimi", "torch-optimi"),
    "prodigy": ("prodigyopt", "prodigyopt"),
    "adamw-schedulefree": ("schedulefree", "schedulefree"),
    "adafactor": ("transformers", "transformers"),
}


def lacking(name: str) -> str | None:
    """The package an optimiser needs and this Python has not; nothing is imported."""
    module, package = LIBRARIES.get(name, ("", ""))
    return package if module and find_spec(module) is None else None


def build(job: Job, groups: Iterable[dict[str, Any]]) -> Any:
    """The optimiser of one run over parameter groups, each with its `lr`.

    Raises:
        SourceError: its library is missing, or it does not take one of `optimizer.options`.
    """
    wanted = job.optimizer
    package = lacking(wanted.name)
    if package:
        raise SourceError(f"optimizer.name = {wanted.name!r} needs {package}: pip install {package}")
    try:
        optimizer = _MAKERS[wanted.name](list(groups), wanted)
    except (TypeError, ValueError) as error:
        raise SourceError(f"optimizer {wanted.name}: {error}; see `optimizer.options`") from None
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    return optimizer


def set_rate(optimizer: Any, factor: float) -> float:
    """Multiply every group's own rate by a factor; returns the rate of the first."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor
    return float(optimizer.param_groups[0]["lr"])


def effective_rate(optimizer: Any) -> float:
    """The rate the first group really steps with: Prodigy's own estimate d is a factor of it."""
    group = optimizer.param_groups[0]
    return float(group["lr"]) * float(group.get("d", 1.0))


def _arguments(wanted: Optimizer, betas: tuple[float, ...] | None) -> dict[str, Any]:
    chosen = wanted.betas or betas
    given = {"lr": wanted.learning_rate, "weight_decay": wanted.weight_decay}
    return given | ({"betas": chosen} if chosen else {}) | dict(wanted.options)


def _adamw(groups: list[dict[str, Any]], wanted: Optimizer) -> Any:
    import torch

    given = {"fused": True, "eps": wanted.epsilon} | _arguments(wanted, (0.9, 0.999))
    return torch.optim.AdamW(groups, **given)


def _adamw8bit(groups: list[dict[str, Any]], wanted: Optimizer) -> Any:
    from bitsandbytes.optim import AdamW8bit

    return AdamW8bit(groups, **({"eps": wanted.epsilon} | _arguments(wanted, (0.9, 0.999))))


def _kahan(groups: list[dict[str, Any]], wanted: Optimizer) -> Any:
    from optimi import AdamW

    return AdamW(groups, **({"eps": wanted.epsilon, "kahan_sum": True} | _arguments(wanted, (0.9, 0.999))))


def _lion(groups: list[dict[str, Any]], wanted: Optimizer) -> Any:
    from optimi import Lion

    return Lion(groups, **_arguments(wanted, (0.9, 0.99)))


def _adafactor(groups: list[dict[str, Any]], wanted: Optimizer) -> Any:
    from transformers.optimization import Adafactor

    fixed = {"scale_parameter": False, "relative_step": False, "warmup_init": False}
    given = fixed | _arguments(wanted, None)
    beta = given.pop("betas", None)
    return Adafactor(groups, **({"beta1": beta[0]} if beta else {}), **given)


def _prodigy(groups: list[dict[str, Any]], wanted: Optimizer) -> Any:
    from prodigyopt import Prodigy

    return Prodigy(groups, **({"eps": wanted.epsilon} | _arguments(wanted, (0.9, 0.999))))


def _schedulefree(groups: list[dict[str, Any]], wanted: Optimizer) -> Any:
    from schedulefree import AdamWScheduleFree

    optimizer = AdamWScheduleFree(groups, **({"eps": wanted.epsilon} | _arguments(wanted, (0.9, 0.999))))
    optimizer.train()
    return optimizer


_MAKERS: dict[str, Callable[[list[dict[str, Any]], Optimizer], Any]] = {
    "adamw": _adamw,
    "adamw8bit": _adamw8bit,
    "adamw-kahan": _kahan,
    "lion": _lion,
    "adafactor": _adafactor,
    "prodigy": _prodigy,
    "adamw-schedulefree": _schedulefree,
}


def factors(models: Any) -> Iterator[tuple[Any, Any, float]]:
    """A [r, in...], B [out, r...] and scale of every LoRA layer of a model with an adapter."""
    for part in (models.denoiser, *models.text_encoders):
        for module in part.modules():
            for name, down in getattr(module, "lora_A", {}).items():
                yield down.weight, module.lora_B[name].weight, module.scaling[name]


def limit_norm(layers: Iterable[tuple[Any, Any, float]], largest: float) -> None:
    """Shrink every LoRA update whose Frobenius norm |scale B A| is above `largest`, both factors alike.

    kohya's `scale_weight_norms`; the norm comes from the small Gram matrices: |BA|^2 = <B'B, AA'>.
    """
    import torch

    with torch.no_grad():
        for down, up, scale in layers:
            a, b = down.flatten(1).double(), up.flatten(1).double()
            norm = abs(scale) * ((b.T @ b) * (a @ a.T)).sum().clamp_min(0).sqrt()
            if norm > largest:
                root = (largest / norm).sqrt()
                down.mul_(root)
                up.mul_(root)
