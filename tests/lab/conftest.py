"""What looks at pictures needs torch; the world alone needs numpy and OpenCV."""

from __future__ import annotations

import importlib.util

WITH_TORCH = all(importlib.util.find_spec(name) for name in ("torch", "safetensors", "diffusers", "transformers"))
NEEDING = ("edited", "labelled", "micro", "pretrain", "recipe", "truth")
collect_ignore_glob = [] if WITH_TORCH else [f"test_{name}.py" for name in NEEDING]
