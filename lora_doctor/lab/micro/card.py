"""What a micro model's folder says beside diffusers' own files: `lora_doctor.json`, read like a model card.

diffusers keeps no record of some call arguments (encoder layers that Klein reads, prompt length): they stand there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from ..world.vocabulary import PIXELS

CARD: Final = "lora_doctor.json"

# What every LoRA of a micro model is trained with, by the keys of lora-doctor's own config; each family adds its
# `RECIPE`. Rates are far above what is published for billions of weights.
TRAINING: Final[dict[str, Any]] = {
    "buckets.resolution": PIXELS,
    "adapter.rank": 8,
    "training.batch_size": 4,
    "precision.compute": "fp32",
    "precision.base": "fp32",
    "precision.text_encoder": "fp32",
    "precision.save": "fp32",
    "memory.gradient_checkpointing": False,
}

# Sample prompts in the words of the world, which knows no beaches (`lora_doctor.train.prompts`); `{}` is the subject.
PROMPTS: Final[dict[str, list[str]]] = {
    "contexts": [
        "photo of {}, green gradient background, at left, soft light",
        "photo of {}, pink background, centered, dim light",
        "photo of {}, cyan tiled background, at right, side light",
        "photo of {}, orange background, at top, soft light",
    ],
    "styles": ["drawing of {}, white background, centered, soft light"],
    "unrelated": [
        "photo of a big red star, white background, centered, soft light",
        "photo of a small yellow beetle, purple background, at left, side light",
    ],
}


def write_card(folder: Path, recipe: dict[str, Any], **values: Any) -> None:
    """Writes the card of a pipeline's folder."""
    card = {**values, **PROMPTS, "training": {**TRAINING, **recipe}}
    (folder / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
