"""What each base model is, as data: sizes, encoders, VAE, limits and the published hyper-parameters.

Widths and counts were measured by building the models of diffusers 0.42.1 on the meta device; other numbers name
their source. Learning rates assume an AdamW-type optimiser and alpha equal to rank: divide a configured rate by the
effect of alpha before judging it.
"""

from __future__ import annotations

from typing import NamedTuple


class Band(NamedTuple):
    """Published range of one hyper-parameter.

    Inside `ok` there is nothing to say. Outside it, a note. Below `warn[0]` or above `warn[1]`, a documented risk;
    None where nothing is documented.
    """

    ok: tuple[float, float]
    warn: tuple[float | None, float | None]
    source: str

    @property
    def limits(self) -> tuple[float, float]:
        """`warn` of a learning rate as numbers: a rate of 0.1 and more belongs to optimisers that find their own."""
        return self.warn[0] or 0.0, self.warn[1] or 0.1


class Encoder(NamedTuple):
    """A text encoder: hidden width, transformer layers."""

    name: str
    title: str
    hidden: int
    layers: int


class Size(NamedTuple):
    """One set of weights of a family; `name` is None where the family has only one.

    `id` is the key of the module table (`modules.json`) where there is one. `blocks` counts the denoiser's
    transformer blocks, for FLUX (double, single). `context` is the width of the text states that enter the denoiser;
    `encoder_layers` are the hidden states that are concatenated to reach it, where they are.
    """

    id: str
    name: str | None
    parameters: int | None
    width: int
    context: int
    blocks: tuple[int, ...]
    encoders: tuple[str, ...]
    encoder_layers: tuple[int, ...] = ()


class Family(NamedTuple):
    """A base model family. Lengths in pixels, `prompt_tokens` in tokens of the longest encoder.

    `bucket_divisor`: image sides must be multiples of it. `conv_targets`: the denoiser has a Conv2d an adapter can
    sit on. `guidance_embedding`: takes a guidance scale as input; None where that differs by variant.
    """

    id: str
    title: str
    sizes: tuple[Size, ...]
    prediction: str
    resolution: int
    bucket_divisor: int
    prompt_tokens: int
    vae: str
    vae_channels: int
    conv_targets: bool
    guidance_embedding: bool | None
    learning_rate: Band | None = None
    rank: Band | None = None
    exposures: Band | None = None


ENCODERS = {
    e.name: e
    for e in (
        Encoder("qwen3-0.6b", "Qwen3 0.6B", 1024, 28),
        Encoder("qwen3-1.7b", "Qwen3 1.7B", 2048, 28),
        Encoder("qwen3-4b", "Qwen3 4B", 2560, 36),
        Encoder("qwen3-8b", "Qwen3 8B", 4096, 36),
        Encoder("mistral3", "Mistral Small 3 24B", 5120, 40),
        Encoder("gemma2-2b", "Gemma 2 2B", 2304, 26),
        Encoder("t5-xxl", "T5 v1.1 XXL", 4096, 24),
        Encoder("umt5-xxl", "UMT5 XXL", 4096, 24),
        Encoder("clip-l", "CLIP-L", 768, 12),
        Encoder("clip-h", "OpenCLIP-H", 1024, 23),
        Encoder("clip-g", "OpenCLIP-bigG", 1280, 32),
    )
}

# Only the image of a few steps is right in these; an adapter trained on them rarely holds (diffusion-pipe
# docs/supported_models.md, musubi-tuner docs/flux_2.md on Klein; bghira/SimpleTuner#1352 on schnell).
DISTILLED = frozenset({"distilled", "schnell", "sprint", "turbo", "lightning", "hyper", "lcm", "dmd"})

_KLEIN_RATES = Band(
    (5e-5, 2e-4),
    (3e-5, 4e-4),
    "ai-toolkit, Civitai, musubi-tuner, SimpleTuner and diffusers publish 1e-4, fal 5e-5, BFL's workshop 1e-4 to 3e-4, "
    "OneTrainer 3e-5; warned outside what anybody publishes",
)
_KLEIN_RANKS = Band(
    (8, 64),
    (None, None),
    "BFL's workshop 8-64, ai-toolkit and Civitai 32, SimpleTuner 16, whose FLUX notes advise against 64-128",
)
_KLEIN_EXPOSURES = Band(
    (30, 120),
    (10, 250),
    "RunComfy's Klein guide 50-90 views per image, 90-120 for likeness; BFL's workshop 500-1200 steps at batch 1",
)
_DEV2_RATES = Band(
    (5e-5, 1e-4), (5e-6, 1e-3), "SimpleTuner FLUX2.md: 1e-4, 5e-5 if unstable; warned a factor of ten outside"
)
_FLUX1_RATES = Band(
    (5e-5, 4e-4),
    (1e-5, 1e-3),
    "ai-toolkit and sd-scripts 1e-4, OneTrainer 3e-4, Replicate 4e-4; SimpleTuner FLUX.md warns of 1e-3 and of 1e-5",
)
_FLUX1_RANKS = Band(
    (1, 64), (None, None), "SimpleTuner FLUX.md starts at 1-4 and doubts 64-128; ai-toolkit and sd-scripts use 16"
)
_SANA_RATES = Band(
    (5e-5, 2e-4),
    (2e-5, 1e-3),
    "diffusers README_sana: 1e-4, the only published value; NVlabs/Sana#250: at 1e-6 nothing learned in 800 steps",
)
_SDXL_RATES = Band(
    (3e-5, 5e-4),
    (3e-6, 5e-3),
    "kohya_ss preset 3e-5, diffusion-pipe 4e-5, diffusers and SimpleTuner 1e-4, OneTrainer 3e-4, Civitai 5e-4; "
    "warned a factor of ten outside",
)

_TAPS = (9, 18, 27)
_CLIP_PAIR = ("clip-l", "clip-g")

FAMILIES = {
    f.id: f
    for f in (
        Family(
            "flux2-klein",
            "FLUX.2 Klein",
            (
                Size("flux2-klein-4b", "4B", 3_875_544_576, 3072, 7680, (5, 20), ("qwen3-4b",), _TAPS),
                Size("flux2-klein-9b", "9B", 9_078_581_248, 4096, 12288, (8, 24), ("qwen3-8b",), _TAPS),
            ),
            "flow", 1024, 16, 512, "flux2", 32, False, False, _KLEIN_RATES, _KLEIN_RANKS, _KLEIN_EXPOSURES,
        ),
        Family(
            "flux2-dev",
            "FLUX.2 dev",
            (Size("flux2-dev", None, 32_223_281_152, 6144, 15360, (8, 48), ("mistral3",), (10, 20, 30)),),
            "flow", 1024, 16, 512, "flux2", 32, False, True, _DEV2_RATES,
        ),
        Family(
            "flux1",
            "FLUX.1",
            (Size("flux1-dev", None, 11_901_408_320, 3072, 4096, (19, 38), ("clip-l", "t5-xxl")),),
            # schnell was trained with 256 tokens (diffusers FluxPipeline) and has no guidance embedding
            "flow", 1024, 16, 512, "flux1", 16, False, None, _FLUX1_RATES, _FLUX1_RANKS,
        ),
        Family(
            "sana",
            "SANA",
            (
                Size("sana-600m", "600M", 591_747_872, 1152, 2304, (28,), ("gemma2-2b",)),
                Size("sana-1.6b", "1.6B", 1_604_462_752, 2240, 2304, (20,), ("gemma2-2b",)),
                Size("sana1.5-4.8b", "4.8B", 4_721_825_952, 2240, 2304, (60,), ("gemma2-2b",)),
            ),
            # its Conv2d are the feed-forward layers (ff.conv_inverted, ff.conv_point); only Sprint embeds guidance
            "flow", 1024, 32, 300, "dc-ae", 32, True, None, _SANA_RATES,
        ),
        Family(
            "sdxl",
            "SDXL",
            (Size("sdxl", None, 2_567_463_684, 320, 2048, (70,), _CLIP_PAIR),),
            # sd-scripts verifies bucket_reso_steps % 32 for SDXL and % 64 for SD 1.x/2.x
            "epsilon", 1024, 32, 77, "sdxl", 4, True, False, _SDXL_RATES,
        ),
        Family(
            "sd15",
            "Stable Diffusion 1.x",
            (Size("sd15", None, 859_520_964, 320, 768, (16,), ("clip-l",)),),
            "epsilon", 512, 64, 77, "sd", 4, True, False,
        ),
        Family(
            "sd2",
            "Stable Diffusion 2.x",
            (Size("sd21", None, 865_910_724, 320, 1024, (16,), ("clip-h",)),),
            # the 512 px "base" checkpoints predict epsilon
            "v", 768, 64, 77, "sd", 4, True, False,
        ),
        Family(
            "sd3",
            "Stable Diffusion 3",
            (
                Size("sd3-2b", "2B", None, 1536, 4096, (24,), (*_CLIP_PAIR, "t5-xxl")),
                Size("sd3-2.5b", "2.5B", None, 1536, 4096, (24,), (*_CLIP_PAIR, "t5-xxl")),
                Size("sd3-8b", "8B", None, 2432, 4096, (38,), (*_CLIP_PAIR, "t5-xxl")),
            ),
            # T5 gets 256 tokens in diffusers' StableDiffusion3Pipeline, the CLIPs 77
            "flow", 1024, 16, 256, "sd3", 16, False, False,
        ),
    )
}  # fmt: skip

_MODEL_IDS: dict[tuple[str, str | None, str | None], str] = {
    ("flux1", None, "schnell"): "flux1-schnell",
    ("sdxl", None, "refiner"): "sdxl-refiner",
    ("sana", "1.6B", "1.5"): "sana1.5-1.6b",
    ("sana", "600M", "sprint"): "sana-sprint-600m",
    ("sana", "1.6B", "sprint"): "sana-sprint-1.6b",
}


def size_of(family: str | None, size: str | None) -> Size | None:
    """The weights that (family, size) means; a family with one size needs no size, others without give None."""
    known = FAMILIES.get(family or "")
    if known is None:
        return None
    if len(known.sizes) == 1:
        return known.sizes[0]
    return next((s for s in known.sizes if s.name == size), None)


def model_id(family: str | None, size: str | None = None, variant: str | None = None) -> str | None:
    """Key of the module table for a model, e.g. ("flux2-klein", "4B") -> "flux2-klein-4b"; None if not known."""
    found = size_of(family, size)
    if found is None:
        return None
    return _MODEL_IDS.get((family or "", found.name, variant), found.id)


def is_distilled(variant: str | None) -> bool:
    """True for variants that were distilled to a few steps, and are no base for training."""
    return variant in DISTILLED
