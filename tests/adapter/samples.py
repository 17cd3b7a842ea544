"""LoRA files for the tests, made to order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lora_doctor.adapter.facts import Adapter, examine
from lora_doctor.adapter.identify import Identity, identify
from lora_doctor.adapter.read import Layer, layers_of
from lora_doctor.adapter.sample import Sample, entries_of, write_sample
from lora_doctor.models.header import TensorInfo

TARGETS = {
    "attention": r"attn|qkv|kv_linear|q_linear|linear1",
    "mlp": r"mlp|\bff\b|\.ff\.|ff_context|linear[12]$|to_qkv_mlp_proj|proj_mlp|conv\.conv",
    "all": "",
}


def made(folder: Path, name: str = "a", **fields: Any) -> Adapter:
    """A file in `folder`, examined."""
    return examine(write_sample(folder / f"{name}.safetensors", Sample(**fields)))


def layers(**fields: Any) -> tuple[Layer, ...]:
    """The layers of a file that is never written."""
    return layers_of({e.name: TensorInfo(e.dtype, e.shape, (0, 0)) for e in entries_of(Sample(**fields))})


def identity(metadata: dict[str, str] | None = None, **fields: Any) -> Identity:
    """What such a file is identified as."""
    return identify([layer for layer in layers(**fields) if layer.denoiser], metadata or {})
