"""What looks at pictures needs torch; the world alone needs numpy and OpenCV."""

from __future__ import annotations

import importlib.util

WITH_TORCH = all(importlib.util.find_spec(name) for name in ("torch", "safetensors", "diffusers", "transformers"))
collect_ignore_glob = (
    [] if WITH_TORCH else ["test_labelled.py", "test_micro.py", "test_pretrain.py", "test_recipe.py", "test_truth.py"]
)
