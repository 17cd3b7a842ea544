"""Write safetensors files with real headers and a data area that takes no disk space."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lora_doctor.models import modules

BYTES = {"BF16": 2, "F16": 2, "F32": 4, "F8_E4M3": 1, "I8": 1, "U8": 1}

Shapes = Mapping[str, tuple[int, ...]]


def entries(shapes: Shapes, dtype: str = "BF16", dtypes: Mapping[str, str] | None = None) -> tuple[dict[str, Any], int]:
    """Header entries and the length of their data in bytes."""
    table: dict[str, Any] = {}
    end = 0
    for name, shape in shapes.items():
        kind = (dtypes or {}).get(name, dtype)
        begin, end = end, end + math.prod(shape) * BYTES[kind]
        table[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [begin, end]}
    return table, end


def write_raw(path: Path, header: bytes, data_bytes: int) -> Path:
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + data_bytes)
    return path


def write(
    path: Path,
    shapes: Shapes,
    *,
    dtype: str = "BF16",
    dtypes: Mapping[str, str] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    table, end = entries(shapes, dtype, dtypes)
    if metadata is not None:
        table = {"__metadata__": dict(metadata), **table}
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_raw(path, json.dumps(table).encode(), end)


def write_json(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def denoiser(model_id: str, naming: str, prefix: str = "") -> dict[str, tuple[int, ...]]:
    """Every Linear and Conv2d weight of a model, as its checkpoints hold them."""
    shapes: dict[str, tuple[int, ...]] = {}
    for m in modules.table(model_id, naming):
        shapes[f"{prefix}{m.name}.weight"] = (m.outputs, m.inputs, *(m.kernel or ()))
    return shapes


def qwen3(hidden: int, layers: int = 2, prefix: str = "model.") -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {f"{prefix}embed_tokens.weight": (151_936, hidden)}
    for n in range(layers):
        shapes[f"{prefix}layers.{n}.self_attn.q_norm.weight"] = (128,)
        shapes[f"{prefix}layers.{n}.self_attn.q_proj.weight"] = (4096, hidden)
    return shapes


def vae(channels: int, layout: str = "native") -> dict[str, tuple[int, ...]]:
    block = "decoder.up.0.block.0.conv1.weight" if layout == "native" else "decoder.up_blocks.0.resnets.0.conv1.weight"
    shapes: dict[str, tuple[int, ...]] = {"decoder.conv_in.weight": (512, channels, 3, 3), block: (128, 128, 3, 3)}
    if channels == 32:
        shapes |= {"bn.running_mean": (128,), "bn.running_var": (128,)}
    return shapes
