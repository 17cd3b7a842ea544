"""A plan as rows: for `lora-doctor plan`, for comparing plans, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lora_doctor import derived
from lora_doctor.plan import Component, Dataset, Plan
from lora_doctor.setting import Setting

HIDDEN = frozenset({
    "config", "prefix", "listing", "target_style", "target_naming", "scale", "never", "datasets", "script",
})


def plan_rows(plan: Plan) -> Iterator[tuple[str, Setting[Any]]]:
    """Every setting of a plan under its dotted field name: `network.rank`, `datasets.0.folder`."""
    for name in ("model", "text_encoder", "vae"):
        component: Component = getattr(plan, name)
        yield name, component.setting
    for name in plan._fields:
        part = getattr(plan, name)
        if isinstance(part, Setting):
            yield name, part
        elif isinstance(part, tuple) and hasattr(part, "_fields") and not isinstance(part, Component):
            yield from _fields(part, name)
    for i, data in enumerate(plan.datasets):
        yield from _fields(data, f"datasets.{i}")


def _fields(part: Any, prefix: str) -> Iterator[tuple[str, Setting[Any]]]:
    for name in part._fields:
        value = getattr(part, name)
        if isinstance(value, Setting) and name not in HIDDEN:
            yield f"{prefix}.{name}", value


def derived_facts(plan: Plan) -> dict[str, Any]:
    """What follows from the settings, with units in the names; None where it is not known."""
    reached = derived.coverage(plan)
    return {
        "model": _model(plan),
        "text_encoder": plan.text_encoder.found.encoder,
        "effective_batch_images": derived.effective_batch(plan),
        "steps": _rounded(derived.total_steps(plan)),
        "images": derived.image_count(plan),
        "captioned_images": captioned_images(plan),
        "exposures_per_image": _rounded(derived.exposures_per_image(plan)),
        "scale": _rounded(plan.network.scale),
        "learning_rate_at_alpha_equal_rank": _rounded(derived.normalised_learning_rate(plan)),
        "blocks_reached": f"{reached.blocks_reached} of {reached.blocks_total}" if reached else None,
        "modules_reached": f"{reached.matched_modules} of {reached.total_modules}" if reached else None,
        "weights_share": _rounded(reached.weights_share) if reached else None,
        "kept_window_share_of_run": _rounded(derived.kept_window(plan)),
        "warmup_share_of_run": _rounded(derived.warmup_share(plan)),
        "weight_decay_shrink": _rounded(derived.weight_decay_shrink(plan)),
    }


def captioned_images(plan: Plan) -> int | None:
    """Images with a caption file as this trainer looks for it; None unless every folder could be listed."""
    counts = [_captioned(data) for data in plan.datasets]
    known = [count for count in counts if count is not None]
    return sum(known) if counts and len(known) == len(counts) else None


def _captioned(data: Dataset) -> int | None:
    if data.listing is None or not data.caption_extension.value:
        return None
    return len(data.listing.captioned(data.caption_extension.value))


def _model(plan: Plan) -> str | None:
    parts = [plan.model.family, plan.model.size, plan.model.variant]
    return " ".join(part for part in parts if part) or None


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
