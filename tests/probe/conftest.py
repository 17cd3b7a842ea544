"""Without torch, everything here is skipped."""

from __future__ import annotations

import importlib.util

WITH_TORCH = all(importlib.util.find_spec(name) for name in ("torch", "diffusers", "peft", "transformers"))
collect_ignore_glob = [] if WITH_TORCH else ["test_*.py"]
