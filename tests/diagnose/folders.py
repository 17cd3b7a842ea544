"""Small run folders as each trainer leaves them: real LoRA files, real pictures, real logs."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from lora_doctor.adapter.arrays import narrow, payload
from lora_doctor.adapter.write import Entry, write_file
from lora_doctor.dataset.described import photo
from lora_doctor.runs.events import masked_crc

Array = Any
Paint = Callable[[int, int], Array]  # step, slot -> picture (BGR)
LAYERS = {
    "kohya": "lora_unet_input_blocks_4_1_transformer_blocks_{}_attn1_to_q.{}.weight",
    "diffusers": "unet.down_blocks.1.attentions.0.transformer_blocks.{}.attn1.to_q.{}.weight",
    "klein": "diffusion_model.double_blocks.{}.img_attn.proj.{}.weight",
}
HALVES = {"kohya": ("lora_down", "lora_up")}
RANK, BLOCKS, STEPS_PER_EPOCH = 4, 2, 50
WIDTHS = {"kohya": 640, "diffusers": 640, "klein": 3072}


class Spelling(NamedTuple):
    """How a trainer spells names and keys."""

    weights: str
    checkpoint: Callable[[int], str]
    sample: Callable[[int, int], str] | None
    final: str = ""


def _kohya_sample(step: int, slot: int) -> str:
    return f"sample/zwx_{step:06d}_{slot:02d}_20260801120000_42.png"


SPELLINGS = {
    "ai-toolkit": Spelling(
        "klein",
        lambda step: f"zwx_{step:09d}.safetensors",
        lambda step, slot: f"samples/{1_754_000_000_000 + step * 100 + slot}__{step:09d}_{slot}.png",
    ),
    "sd-scripts": Spelling("kohya", lambda step: f"zwx-step{step:08d}.safetensors", _kohya_sample),
    "kohya-epochs": Spelling(
        "kohya",
        lambda step: f"zwx-{step // STEPS_PER_EPOCH:06d}.safetensors",
        lambda step, slot: f"sample/zwx_e{step // STEPS_PER_EPOCH:06d}_{slot:02d}_20260801120000_42.png",
        "zwx.safetensors",
    ),
    "musubi-tuner": Spelling("kohya", lambda step: f"zwx-step{step:08d}.safetensors", _kohya_sample),
    "SimpleTuner": Spelling(
        "diffusers",
        lambda step: f"checkpoint-{step}/pytorch_lora_weights.safetensors",
        lambda step, slot: f"validation_images/step_{step}_prompt{slot}_0_512x512.png",
    ),
    "OneTrainer": Spelling(
        "kohya",
        lambda step: f"save/zwx2026-08-01_12-00-{step % 60:02d}-save-{step}-{step // STEPS_PER_EPOCH}-0.safetensors",
        lambda step, slot: (
            f"samples/{slot} - a photo of zwx {slot}/2026-08-01_12-00-00-training-sample-{step}-"
            f"{step // STEPS_PER_EPOCH}-0.png"
        ),
    ),
    "diffusion-pipe": Spelling("klein", lambda step: f"20260801_12-00-00/step{step}/adapter_model.safetensors", None),
    "diffusers": Spelling(
        "diffusers", lambda step: f"checkpoint-{step}/pytorch_lora_weights.safetensors", None,
        "pytorch_lora_weights.safetensors",
    ),
    "lora-doctor": Spelling(
        "diffusers",
        lambda step: f"checkpoints/step-{step:06d}/pytorch_lora_weights.safetensors",
        lambda step, slot: f"samples/step-{step:06d}/{slot}.png",
    ),
}  # fmt: skip


def write_run(
    root: Path,
    trainer: str,
    *,
    steps: Iterable[int] = (100, 200, 300),
    samples: Iterable[int] = (0, 100, 200, 300),
    slots: int = 3,
    paint: Paint | None = None,
    weights: Callable[[int], dict[str, Array]] | None = None,
    metadata: Callable[[int], Mapping[str, str]] | None = None,
    dtype: str = "BF16",
) -> Path:
    """Write checkpoints and samples under the trainer's names; returns the folder."""
    spelling = SPELLINGS[trainer]
    steps = list(steps)
    for step in steps:
        names = [spelling.checkpoint(step), *([spelling.final] if spelling.final and step == steps[-1] else [])]
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            tensors = (weights or partial(grown, form=spelling.weights))(step)
            told = dict(metadata(step)) if metadata else told_by(trainer, step)
            write_lora(path, tensors, told, dtype)
    if spelling.sample:
        rows = []
        for step in samples:
            for slot in range(slots):
                name = spelling.sample(step, slot)
                picture(root / name, (paint or noisy)(step, slot))
                rows.append({"step": step, "file": name, "prompt": f"a photo of zwx {slot}", "seed": 42})
        if trainer == "lora-doctor":
            (root / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
            (root / "run.json").write_text('{"status": "finished"}\n')
    if trainer == "SimpleTuner":
        (root / f"checkpoint-{steps[-1]}" / "training_state.json").write_text("{}")
    return root


def told_by(trainer: str, step: int) -> dict[str, str]:
    """What the trainer writes into a file's metadata about its step."""
    epoch = step // STEPS_PER_EPOCH
    if trainer == "ai-toolkit":
        return {"training_info": json.dumps({"step": step, "epoch": epoch})}
    if trainer in ("sd-scripts", "kohya-epochs", "musubi-tuner"):
        musubi = trainer == "musubi-tuner"
        return {
            "ss_steps": str(step),
            "ss_epoch": str(epoch),
            "ss_network_module": "networks.lora_flux_2" if musubi else "networks.lora",
            "ss_base_model_version": "flux_2_klein_4b" if musubi else "sdxl_base_v1-0",
        }
    return {"format": "pt"}


def grown(step: int, form: str = "kohya", rate: float = 1e-4) -> dict[str, Array]:
    """Weights as after `step` steps of a healthy run: A wandering off a little, B growing with the root of the step."""
    tensors = {}
    down, up = HALVES.get(form, ("lora_A", "lora_B"))
    width = WIDTHS[form]
    for block in range(BLOCKS):
        start, path = np.random.default_rng(block), np.random.default_rng(100 + block)
        tensors[LAYERS[form].format(block, down)] = start.normal(0, width**-0.5, (RANK, width))
        tensors[LAYERS[form].format(block, down)] += rate * math.sqrt(step) * path.normal(0, 1, (RANK, width))
        drift = path.normal(0, 1, (width, RANK))
        wander = np.random.default_rng(step * 7 + block).normal(0, 1, (width, RANK))
        tensors[LAYERS[form].format(block, up)] = rate * (math.sqrt(step) * 2 * drift + 3 * wander) * (step > 0)
    return tensors


def write_lora(path: Path, tensors: Mapping[str, Array], metadata: Mapping[str, str], dtype: str = "BF16") -> None:
    """A safetensors file."""
    entries = [
        Entry(name, dtype, tuple(value.shape), payload(partial(narrow, np.asarray(value, np.float32), dtype)))
        for name, value in tensors.items()
    ]
    write_file(path, entries, dict(metadata), overwrite=True)


def picture(path: Path, image: Array) -> Path:
    """Save a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    return path


def scene(*key: int, size: int = 192) -> Array:
    """A picture with shapes and texture, its own for every key."""
    return photo((size, size), np.random.default_rng([7, *key]))


def noisy(step: int, slot: int, size: int = 192) -> Array:
    """What a healthy run samples: a scene of the prompt that changes a little more with every step."""
    mix = min(0.6, step / 1000)
    base = scene(1, slot, size=size).astype(np.float32)
    other = scene(2, slot, size=size).astype(np.float32)
    return np.clip((1 - mix) * base + mix * other, 0, 255).astype(np.uint8)


def write_events(path: Path, rows: Iterable[tuple[str, int, float]], time: float = 1.75e9) -> Path:
    """An event file with scalars, encoded here by the published formats; the tests compare with TensorBoard's own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for tag, step, value in rows:
            name = tag.encode()
            entry = b"\x0a" + bytes([len(name)]) + name + b"\x15" + struct.pack("<f", value)
            summary = b"\x0a" + bytes([len(entry)]) + entry
            event = b"\x09" + struct.pack("<d", time + step) + b"\x10" + _varint(step)
            event += b"\x2a" + bytes([len(summary)]) + summary
            head = struct.pack("<Q", len(event))
            file.write(head + struct.pack("<I", masked_crc(head)) + event + struct.pack("<I", masked_crc(event)))
    return path


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])
