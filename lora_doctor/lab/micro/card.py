"""What a micro model's folder says beside diffusers' own files: `lora_doctor.json`, read like a model card.

diffusers keeps no record of some call arguments (encoder layers that Klein reads, prompt length): they stand there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

CARD: Final = "lora_doctor.json"


def write_card(folder: Path, **values: Any) -> None:
    """Writes the card of a pipeline's folder."""
    (folder / CARD).write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
