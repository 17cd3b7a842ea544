"""The layers an adapter reaches, in the words of the trainer that is written for.

Names differ (diffusers has `attn.to_q`, Black Forest Labs one `img_attn.qkv` for q, k and v) and so do the ways to
choose: endings of names (PEFT), parts of names (ai-toolkit, OneTrainer), what to leave out (diffusion-pipe, musubi).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from lora_doctor import derived
from lora_doctor.models.families import model_id
from lora_doctor.models.modules import Module, table
from lora_doctor.plan import Plan

# FLUX.2 in Black Forest Labs' names, by the layers of diffusers that each one is made of
FLUX2 = {
    "img_attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "img_attn.proj": ("attn.to_out.0",),
    "txt_attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "txt_attn.proj": ("attn.to_add_out",),
    "img_mlp.0": ("ff.linear_in",),
    "img_mlp.2": ("ff.linear_out",),
    "txt_mlp.0": ("ff_context.linear_in",),
    "txt_mlp.2": ("ff_context.linear_out",),
    "linear1": ("attn.to_qkv_mlp_proj",),
    "linear2": ("attn.to_out",),
}
_DIFFUSERS = (
    (re.compile(r"^double_blocks\."), "transformer_blocks."),
    (re.compile(r"^single_blocks\."), "single_transformer_blocks."),
)
_NATIVE = (
    (re.compile(r"^single_transformer_blocks\."), "single_blocks."),
    (re.compile(r"^transformer_blocks\."), "double_blocks."),
)


def wanted(plan: Plan, naming: str) -> frozenset[str] | None:
    """Names of the layers the plan reaches, in a naming; None where they are not known or can't be said in it."""
    reached = derived.coverage(plan)
    known = model_id(plan.model.family, plan.model.size, plan.model.variant)
    if reached is None or known is None or not reached.modules:
        return None
    names = frozenset(module.name for module in reached.modules)
    theirs = {module.name for module in table(known, naming)}
    if names <= theirs:
        return names
    if not known.startswith("flux2"):
        return None
    turned = _to_diffusers(names) if naming == "diffusers" else _to_native(names)
    return turned if turned is not None and turned <= theirs else None


def _to_diffusers(names: frozenset[str]) -> frozenset[str] | None:
    found = set()
    for name in names:
        block, _, layer = _split(name)
        if layer not in FLUX2:
            return None
        for pattern, text in _DIFFUSERS:
            block = pattern.sub(text, block)
        found |= {f"{block}.{part}" for part in FLUX2[layer]}
    return frozenset(found)


def _to_native(names: frozenset[str]) -> frozenset[str] | None:
    """Only where q, k and v come together: Black Forest Labs has one layer for the three."""
    found, used = set(), set()
    for name in names:
        block, _, layer = _split(name)
        native = next((key for key, parts in FLUX2.items() if layer in parts), None)
        if native is None or not {f"{block}.{part}" for part in FLUX2[native]} <= names:
            return None
        used.add(name)
        for pattern, text in _NATIVE:
            block = pattern.sub(text, block)
        found.add(f"{block}.{native}")
    return frozenset(found)


def _split(name: str) -> tuple[str, str, str]:
    """`transformer_blocks.3.attn.to_q` -> `transformer_blocks.3`, `.`, `attn.to_q`."""
    match = re.match(r"^(.*?\.\d+)\.(.*)$", name)
    return (match[1], ".", match[2]) if match else (name, "", "")


def layers(plan: Plan, naming: str) -> tuple[Module, ...]:
    """Every layer of the plan's model in a naming; empty where there is no table."""
    known = model_id(plan.model.family, plan.model.size, plan.model.variant)
    try:
        return table(known, naming) if known is not None else ()
    except KeyError:
        return ()


def endings(names: Iterable[str], every: Iterable[str]) -> list[str] | None:
    """The shortest endings (of whole parts) that match these names and no others; None where there are none."""
    found = _endings(frozenset(names), frozenset(every))
    return None if found is None else list(found)


@cache
def _endings(chosen: frozenset[str], all_names: frozenset[str]) -> tuple[str, ...] | None:
    matching: dict[str, list[str]] = {}
    for name in all_names:
        parts = name.split(".")
        for start in range(len(parts)):
            matching.setdefault(".".join(parts[start:]), []).append(name)
    found: dict[str, None] = {}
    for name in sorted(chosen):
        if any(name == ending or name.endswith(f".{ending}") for ending in found):
            continue
        parts = name.split(".")
        for start in range(len(parts) - 1, -1, -1):
            ending = ".".join(parts[start:])
            if parts[start].isdigit():
                continue  # `0` says nothing to a reader
            if all(each in chosen for each in matching[ending]):
                found[ending] = None
                break
        else:
            return None
    return tuple(found)


def peft(plan: Plan) -> list[str] | None:
    """Target modules for PEFT in diffusers' names."""
    names = wanted(plan, "diffusers")
    return endings(names, (module.name for module in layers(plan, "diffusers"))) if names else None


def left_out(plan: Plan) -> list[str] | None:
    """Of the layers within blocks, in Black Forest Labs' names, those the plan does not reach; None: not known."""
    names = wanted(plan, "native")
    inside = {module.name for module in layers(plan, "native") if module.block}
    if names is None or not names <= inside:
        return None
    return endings(inside - names, inside)


def contained(plan: Plan, naming: str) -> list[str] | None:
    """Parts of names within blocks that the reached layers have and the others have not."""
    names = wanted(plan, naming)
    inside = {module.name for module in layers(plan, naming) if module.block or ".attentions." in module.name}
    if not names or not names <= inside:
        return None
    if names == inside:
        return []
    found = endings(names, inside)
    if not found or not all(_only(part, names, inside) for part in found):
        return None
    return found


def _only(part: str, names: frozenset[str], inside: set[str]) -> bool:
    return all(name in names for name in inside if part in name)
