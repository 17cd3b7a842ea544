"""Published hyper-parameters per model and purpose, each with its source."""

from __future__ import annotations

from typing import NamedTuple


class Recipe(NamedTuple):
    """One published recipe. Rates in the trainer's own units, `steps` optimiser steps; None where it does not say.

    `strict`: whether a project that picks it wants to be told of any other value.
    """

    id: str
    family: str
    size: str | None
    purpose: str | None
    source: str
    learning_rate: float | None = None
    rank: int | None = None
    alpha: float | None = None
    conv_rank: int | None = None
    conv_alpha: float | None = None
    steps: int | None = None
    batch: int | None = None  # effective batch
    weight_decay: float | None = None
    optimizer: str | None = None
    scheduler: str | None = None
    warmup_steps: int | None = None
    precision: str | None = None
    strict: bool = False
    base_precision: str | None = None  # what the frozen model is stored in
    betas: tuple[float, ...] = ()
    targets: tuple[str, ...] = ()  # endings of the layers' names
    sampling: str | None = None  # of noise levels
    shift: float | None = None


RECIPES = {
    recipe.id: recipe
    for recipe in (
        Recipe(
            "klein-fifty-runs",
            "flux2-klein",
            "9B",
            "style",
            "one creator's 50+ runs of film-texture style LoRAs on Klein 9B; contested, see `lora-doctor explain "
            "learning-rate-off-recipe`",
            learning_rate=9.5e-5,
            rank=128,
            alpha=64,
            conv_rank=64,
            conv_alpha=32,
            steps=7000,
            weight_decay=1e-5,
            strict=True,
        ),
        Recipe(
            "klein",
            "flux2-klein",
            None,
            None,
            "ai-toolkit UI defaults for flux2_klein_4b/9b (ostris/ai-toolkit@27a03a91 ui/src/app/jobs/new/options.tsx)",
            learning_rate=1e-4,
            rank=32,
            alpha=32,
            steps=3000,
            batch=1,
            weight_decay=1e-4,
            optimizer="adamw8bit",
            scheduler="constant",
            warmup_steps=0,
            precision="bf16",
        ),
        Recipe(
            "klein-fp8",
            "flux2-klein",
            None,
            None,
            "diffusion-pipe @8f83dbf: docs/supported_models.md (Klein: transformer in fp8, logit-normal, shift 3), "
            "README (AdamW8bitKahan at 5e-5), examples/main_example.toml (rank, betas, weight decay)",
            learning_rate=5e-5,
            rank=32,
            alpha=32,
            weight_decay=0.01,
            optimizer="adamw8bit",
            scheduler="constant",
            warmup_steps=0,
            precision="bf16",
            base_precision="fp8",
            betas=(0.9, 0.99),
            sampling="logit_normal",
            shift=3.0,
        ),
        Recipe(
            "sana",
            "sana",
            None,
            None,
            "diffusers examples/dreambooth/README_sana.md @58eb52c0",
            learning_rate=1e-4,
            rank=4,
            alpha=4,
            steps=500,
            batch=4,
            weight_decay=1e-4,
            optimizer="adamw8bit",
            scheduler="constant",
            warmup_steps=0,
            precision="bf16",
            targets=("to_k", "to_q", "to_v"),
        ),
        Recipe(
            "sdxl",
            "sdxl",
            None,
            None,
            "diffusers examples/dreambooth/README_sdxl.md @58eb52c0",
            learning_rate=1e-4,
            rank=4,
            alpha=4,
            steps=500,
            batch=4,
            weight_decay=1e-4,
            optimizer="adamw",
            scheduler="constant",
            warmup_steps=0,
            precision="fp16",
            targets=("to_k", "to_q", "to_v", "to_out.0"),
        ),
    )
}
