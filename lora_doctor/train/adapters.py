"""Adapters on a loaded model: put in, weighed, saved. What PEFT does, with exact layer names and fp32 weights.

A's weights start as PEFT's and most trainers' do (Kaiming uniform), B's at zero: a fresh adapter changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from peft import LoHaConfig, LoKrConfig, LoraConfig, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from lora_doctor.models.modules import Coverage, Module
from lora_doctor.train.families import Family, Models
from lora_doctor.train.job import Adapter
from lora_doctor.train.layer import by_noise, quicken
from lora_doctor.train.targets import UnfitError, exactly, layers_of, reach

NAME = "default"  # diffusers' own name; its writer of metadata knows no other
_ENCODER_TARGETS = ("q_proj", "k_proj", "v_proj", "out_proj", "o_proj")  # CLIP's, and those of language models
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


def inject(
    family: Family, models: Models, adapter: Adapter, *, dtype: str = "fp32", seed: int = 0
) -> dict[str, Coverage]:
    """Put a fresh, trainable adapter in, and say what it reaches of each component (`transformer`, `text_encoder`...).

    Raises:
        UnfitError: the targets match nothing, or this kind of adapter can't do what is asked.
    """
    found = {}
    for name, module in components(family, models, adapter.text_encoder).items():
        wanted = adapter if name == family.DENOISER else _of_encoder(adapter, family, models, name)
        shapes = {f"{n}.weight": m.weight.shape for n, m in module.named_modules() if _is_layer(m)}
        always = family.always(models) if name == family.DENOISER else {}
        wanted, found[name] = _with(always, wanted, layers_of(shapes))
        names = [each.name for each in found[name].modules]
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            module.add_adapter(_config(wanted, exactly(names, _every(module))), NAME)
        if wanted.min_rank is None:
            quicken(module)
        else:
            by_noise(module, wanted.min_rank, family.LEVELS)
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.to(models.device, DTYPES[dtype])
    return found


def _with(ranks: Mapping[str, int], adapter: Adapter, layers: tuple[Module, ...]) -> tuple[Adapter, Coverage]:
    """The adapter and its reach, with layers that need it whatever the targets are: each by its rank, unscaled."""
    reached = reach(layers, adapter)
    if not ranks:
        return adapter, reached
    there = {each.name for each in reached.modules}
    more = tuple(each for each in layers if each.name in ranks and each.name not in there)
    alpha = {name: rank**0.5 if adapter.rslora else float(rank) for name, rank in ranks.items()}
    adapter = adapter._replace(
        rank_pattern={**adapter.rank_pattern, **ranks}, alpha_pattern={**adapter.alpha_pattern, **alpha}
    )
    return adapter, reached._replace(modules=(*reached.modules, *more))


def _of_encoder(adapter: Adapter, family: Family, models: Models, name: str) -> Adapter:
    """The same on a text encoder's attention; targets and patterns are the denoiser's.

    A plain LoRA instead of DoRA: transformers 5.23 loads a text encoder's LoRA without its magnitudes. Not on layers
    behind the last one that is read: what is never read gets no gradient.
    """
    encoder = components(family, models, encoders=True)[name]
    there = {each.rpartition(".")[2] for each, _ in encoder.named_modules()}
    targets = tuple(each for each in _ENCODER_TARGETS if each in there)
    unread = range(_read(family, models, name, encoder.config.num_hidden_layers), encoder.config.num_hidden_layers)
    exclude = tuple(f"layers.{layer}.self_attn.{each}" for layer in unread for each in targets)
    kind = "lora" if adapter.kind == "dora" else adapter.kind
    return adapter._replace(
        min_rank=None, kind=kind, targets=targets, exclude=exclude, rank_pattern={}, alpha_pattern={}
    )


def _read(family: Family, models: Models, name: str, layers: int) -> int:
    """Layers of a text encoder that reach the denoiser: SDXL's first is read before its last one."""
    if models.layers:
        return min(layers, max(models.layers))
    return layers - 1 if family.ID == "sdxl" and name == "text_encoder" else layers


def components(family: Family, models: Models, encoders: bool) -> dict[str, Any]:
    """The modules an adapter may sit in, by the pipeline's names."""
    names = (f"text_encoder{f'_{i}' if i > 1 else ''}" for i in range(1, 1 + len(models.text_encoders)))
    return {family.DENOISER: models.denoiser} | (dict(zip(names, models.text_encoders)) if encoders else {})


def _is_layer(module: nn.Module) -> bool:
    return isinstance(module, (nn.Linear, nn.Conv2d))


def _every(module: nn.Module) -> list[str]:
    """Names of all modules: PEFT would look at containers too."""
    return [name for name, _ in module.named_modules()]


def _config(adapter: Adapter, targets: list[str] | str) -> Any:
    patterns = {"rank_pattern": dict(adapter.rank_pattern), "alpha_pattern": dict(adapter.alpha_pattern)}
    if adapter.kind in ("lora", "dora"):
        return LoraConfig(
            r=adapter.rank,
            lora_alpha=adapter.alpha,
            lora_dropout=adapter.dropout,
            target_modules=targets,
            use_rslora=adapter.rslora,
            use_dora=adapter.kind == "dora",
            **patterns,
        )
    kind = {"lokr": LoKrConfig, "loha": LoHaConfig}[adapter.kind]
    return kind(r=adapter.rank, alpha=adapter.alpha, target_modules=targets, **patterns)


def trainable(family: Family, models: Models) -> dict[str, nn.Parameter]:
    """The adapter's parameters by name, the component's name in front, in a fixed order."""
    return {
        f"{component}.{name}": parameter
        for component, module in components(family, models, encoders=True).items()
        for name, parameter in module.named_parameters()
        if parameter.requires_grad
    }


def state(family: Family, models: Models) -> dict[str, Tensor]:
    """The adapter's tensors as diffusers names them: `transformer.<layer>.lora_A.weight`; no copies."""
    found: dict[str, Tensor] = {}
    for component, module in components(family, models, encoders=True).items():
        if NAME in getattr(module, "peft_config", {}):
            tensors = get_peft_model_state_dict(module, adapter_name=NAME)
            found |= {f"{component}.{key}": value.detach() for key, value in tensors.items()}
    return found


def restore(family: Family, models: Models, tensors: Mapping[str, Tensor]) -> None:
    """Put tensors of `state`'s names into an injected adapter; what is not among them stays.

    Raises:
        UnfitError: a tensor has no place or another shape here.
    """
    own = state(family, models)
    for key, value in tensors.items():
        if key not in own:
            raise UnfitError("adapter.start_from", f"it trains {key}, which this adapter does not")
        if own[key].shape != value.shape:
            there, here = list(value.shape), list(own[key].shape)
            raise UnfitError("adapter.start_from", f"{key} is {there} there and {here} here: another rank or model")
    for component, module in components(family, models, encoders=True).items():
        begin = f"{component}."
        given = {key.removeprefix(begin): value for key, value in tensors.items() if key.startswith(begin)}
        if given:
            set_peft_model_state_dict(module, given, adapter_name=NAME)


@contextmanager
def strength(models: Models, value: float) -> Iterator[None]:
    """Inside, the adapter counts `value` times as much as it was trained to; at 0 the model is the base, bit by bit."""
    layers = [m for part in (models.denoiser, *models.text_encoders) for m in part.modules() if _tuned(m)]
    before = [(dict(layer.scaling), layer.disable_adapters) for layer in layers]
    grads = [(p, p.requires_grad) for layer in layers for p in layer.parameters()]
    try:
        for layer in layers:
            layer.enable_adapters(value != 0)
            for name in layer.active_adapters:
                layer.scaling[name] *= value or 1.0
        yield
    finally:
        for layer, (scaling, disabled) in zip(layers, before):
            layer.scaling.update(scaling)
            layer.enable_adapters(not disabled)
        for parameter, wanted in grads:
            parameter.requires_grad_(wanted)


def _tuned(module: nn.Module) -> bool:
    return isinstance(module, BaseTunerLayer)
