"""How strongly each layer's product counts: as it was trained, and as each loader takes it.

`scale` multiplies B·A: alpha / rank, with rank-stabilised LoRA alpha / sqrt(rank). Alpha stands in a tensor (kohya,
LyCORIS, OneTrainer), in the metadata (diffusers, SimpleTuner), in PEFT's adapter_config.json beside the file, or
nowhere; then it equals the rank.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any, NamedTuple

from lora_doctor.adapter.read import AdapterFile, Layer

MAX_CONFIG_BYTES = 1_000_000
_PEFT_FILES = ("adapter_model",)  # what PEFT and diffusion-pipe call the file such a config belongs to


class Scales(NamedTuple):
    """Scales parallel to the file's layers, and where they stand: "tensors", "metadata", "adapter_config.json",
    "ss_network_alpha" or "nowhere". config: what the metadata or adapter_config.json records, by component."""

    trained: tuple[float, ...]
    source: str
    config: dict[str, dict[str, Any]]

    @property
    def distinct(self) -> tuple[float, ...]:
        """The different scales, in ascending order."""
        return tuple(sorted(set(self.trained)))


def scales_of(file: AdapterFile) -> Scales:
    """The scale each layer was trained with."""
    recorded = _recorded(file.metadata)
    source = "metadata"
    if any(layer.alpha is not None for layer in file.layers):
        return Scales(tuple(map(from_tensor, file.layers)), "tensors", recorded)
    if not recorded:
        recorded, source = _beside(file.path), "adapter_config.json"
    if recorded:
        return Scales(tuple(_from_config(layer, recorded) for layer in file.layers), source, recorded)
    alpha = _number(file.metadata.get("ss_network_alpha"))
    if alpha:
        return Scales(tuple(_ratio(alpha, layer) for layer in file.layers), "ss_network_alpha", {})
    return Scales(tuple(1.0 for _ in file.layers), "nowhere", {})


def from_tensor(layer: Layer) -> float:
    """The scale that an `alpha` tensor asks for; 1 without one. kohya and LyCORIS read alpha 0 as the rank."""
    return _ratio(layer.alpha, layer) if layer.alpha else 1.0


def _ratio(alpha: float, layer: Layer) -> float:
    # a LoKr of two full matrices has no rank, and its alpha (1e10 in ai-toolkit, inf in fp16) is not used
    return alpha / layer.rank if layer.rank else 1.0


def _recorded(metadata: dict[str, str]) -> dict[str, dict[str, Any]]:
    """`lora_adapter_metadata` by component: {"transformer": {"r": 16, "lora_alpha": 32, ...}}."""
    try:
        flat = json.loads(metadata.get("lora_adapter_metadata", "{}"))
    except (ValueError, RecursionError):
        return {}
    found: dict[str, dict[str, Any]] = {}
    for key, value in flat.items() if isinstance(flat, dict) else ():
        component, _, field = key.partition(".")
        if field:
            found.setdefault(component, {})[field] = value
    return found


def _beside(path: Path) -> dict[str, dict[str, Any]]:
    """PEFT's adapter_config.json beside an adapter_model file."""
    config = path.parent / "adapter_config.json"
    if path.stem not in _PEFT_FILES:
        return {}
    try:
        if config.stat().st_size > MAX_CONFIG_BYTES:
            return {}
        value = json.loads(config.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return {"": value} if isinstance(value, dict) and "r" in value else {}


def _from_config(layer: Layer, recorded: dict[str, dict[str, Any]]) -> float:
    component = layer.part if not layer.denoiser else next((c for c in ("transformer", "unet") if c in recorded), "")
    config = recorded.get(component) or recorded.get("")
    if not config or not layer.rank:
        return 1.0
    alpha = _pattern(config.get("alpha_pattern"), layer.name)
    alpha = _number(config.get("lora_alpha")) if alpha is None else alpha
    if not alpha:
        return 1.0
    return alpha / (math.sqrt(layer.rank) if config.get("use_rslora") else layer.rank)


def _pattern(patterns: Any, name: str) -> float | None:
    """PEFT's get_pattern_key (peft/utils/other.py): the first pattern that matches the end of a layer's name."""
    for pattern, value in patterns.items() if isinstance(patterns, dict) else ():
        try:
            if re.match(rf"(.*\.)?({pattern})$", name):
                return _number(value)
        except re.error:
            continue
    return None


def _number(value: Any) -> float | None:
    try:
        return float(value) if value is not None and not isinstance(value, (bool, list, dict)) else None
    except (TypeError, ValueError):
        return None
