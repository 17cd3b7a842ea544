"""A first config: a published recipe for a model and a purpose, its length worked out from the images that are there.

Every value has its reason: the recipe that published it, or the fact it follows from.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from lora_doctor.dataset.listing import Listing, list_folder
from lora_doctor.dialects import native
from lora_doctor.dialects.reader import Reader
from lora_doctor.dialects.writers.known import PREVIEWS, RELEASES, Release
from lora_doctor.models.families import FAMILIES, is_distilled, size_of
from lora_doctor.models.identify import ModelIdentity, identify
from lora_doctor.plan import Plan
from lora_doctor.recipes import RECIPES, Recipe
from lora_doctor.recipes.sizes import SIZES
from lora_doctor.setting import Setting
from lora_doctor.source.document import SourceError
from lora_doctor.source.read import read_text
from lora_doctor.source.render import Row, toml

# What `--model` takes besides a file, a folder or a repository
MODELS = {
    "klein-4b": "black-forest-labs/FLUX.2-klein-base-4B",
    "klein-9b": "black-forest-labs/FLUX.2-klein-base-9B",
    "sana": "Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers",
    "sdxl": "stabilityai/stable-diffusion-xl-base-1.0",
}
HELD_OUT_FROM = 10  # images: with fewer, none can be spared to tell when the run is overtrained
CHECKPOINTS = 10  # a run: the best one is seldom the last
DROPOUT = 0.05  # of captions: ai-toolkit's UI and BFL's workshop
LARGE = 8_000_000_000  # parameters: above, the frozen base in bf16 leaves little of a 24 GB card


class Answers(NamedTuple):
    """What the user says. `model` is a key of `MODELS`, or a file, folder or repository."""

    model: str
    images: str
    purpose: str = "subject"
    trigger: str = ""
    recipe: str = ""
    prompt: str = ""
    trainer: str = "lora-doctor"


class Begun(NamedTuple):
    """The plan, the reason of each value by plan field, and what the user should know."""

    plan: Plan
    reasons: dict[str, str]
    remarks: tuple[str, ...]


class _Length(NamedTuple):
    steps: int
    why: str


def begin(answers: Answers) -> Begun:
    """The plan for a model and a folder of images.

    Raises:
        SourceError: the model is not known, the folder holds no images, or nobody published a recipe.
    """
    path, identity = _model(answers.model)
    recipe = _recipe(answers, identity)
    folder = Path(answers.images)
    listing = list_folder(folder, recursive=True)
    if listing is None or not listing.images:
        raise SourceError(f"{answers.images}: no images are there" if listing else f"{answers.images} is no folder")
    rows, reasons, remarks = _rows(answers, path, identity, recipe, listing)
    document = read_text("lora-doctor.toml", toml(rows).encode("utf-8"))
    (plan,) = native.read(document, "training", Reader())
    if answers.trainer != "lora-doctor":  # every other one has its own idea of which layers are best
        plan = plan._replace(network=plan.network._replace(targets=Setting()))
    return Begun(plan, reasons, remarks)


def _model(text: str) -> tuple[str, ModelIdentity]:
    path = MODELS.get(text.lower(), text)
    identity = identify(path)
    if identity.family not in {recipe.family for recipe in RECIPES.values()}:
        raise SourceError(f"`{text}`: no recipe is known for this model; these have one: {', '.join(MODELS)}")
    if size_of(identity.family, identity.size) is None and identity.family == "flux2-klein":
        raise SourceError(f"`{text}` does not say whether it is the 4B or the 9B model: use klein-4b or klein-9b")
    return path, identity


def _recipe(answers: Answers, identity: ModelIdentity) -> Recipe:
    """The one that was asked for, else the most particular one that is not contested."""
    if answers.recipe:
        chosen = RECIPES.get(answers.recipe)
        if chosen is None or chosen.family != identity.family:
            able = [recipe.id for recipe in RECIPES.values() if recipe.family == identity.family]
            raise SourceError(f"`{answers.recipe}` is no recipe for this model; these are: {', '.join(able)}")
        return chosen
    fitting = [
        recipe
        for recipe in RECIPES.values()
        if recipe.family == identity.family
        and recipe.size in (None, identity.size)
        and recipe.purpose in (None, answers.purpose)
        and not recipe.strict
    ]
    return max(fitting, key=lambda recipe: (recipe.purpose is not None, recipe.size is not None))


def _length(recipe: Recipe, images: int, batch: int) -> _Length:
    """The recipe's steps, held within the published number of showings of each image where there is one."""
    steps = recipe.steps or 1000
    band = FAMILIES[recipe.family].exposures
    seen = steps * batch / images
    if band is None:
        return _Length(steps, f"shows each of {images} images {seen:.0f} times ({recipe.id} recipe)")
    wanted = min(max(seen, band.ok[0]), band.ok[1])
    if wanted == seen:
        return _Length(
            steps, f"shows each of {images} images {seen:.0f} times; published: {band.ok[0]:g} to {band.ok[1]:g}"
        )
    fitted = max(1, round(wanted * images / batch))
    return _Length(
        fitted,
        f"{wanted:g} showings x {images} images / batch {batch}; the {recipe.id} recipe's {steps} steps "
        f"would show each {seen:.0f} times, published are {band.ok[0]:g} to {band.ok[1]:g}",
    )


def _rows(
    answers: Answers, path: str, identity: ModelIdentity, recipe: Recipe, listing: Listing
) -> tuple[list[Row], dict[str, str], tuple[str, ...]]:
    """lora-doctor's own config as rows, with the reason of each plan field."""
    family, count = FAMILIES[recipe.family], len(listing.images)
    source = f"{recipe.id} recipe: {recipe.source}"
    short = f"{recipe.id} recipe"
    held_out = round(count * 0.1) if count >= HELD_OUT_FROM and answers.trainer == "lora-doctor" else 0
    batch = recipe.batch or 1
    length = _length(recipe, count - held_out, batch)
    rank = recipe.rank or 16
    captions, caption_why, remarks = _captions(answers, listing)
    every = max(1, round(length.steps / CHECKPOINTS))
    size = size_of(identity.family, identity.size)
    large = size is not None and (size.parameters or 0) > LARGE
    preview = PREVIEWS[recipe.family]
    prompts = _prompts(answers)
    release = _release(identity)
    name = _family_name(identity)
    values: list[tuple[str, object, str, str]] = [
        ("purpose", answers.purpose, "purpose", ""),
        ("output", f"runs/{answers.trigger or answers.purpose}", "saving.folder", "checkpoints, samples and logs"),
        ("model.path", path, "model_file", "the base model, not the distilled one" if release else ""),
        ("model.family", name, "model", ""),
        ("adapter.kind", "lora", "network.kind", ""),
        ("adapter.rank", rank, "network.rank", source),
        ("adapter.alpha", recipe.alpha if recipe.alpha is not None else rank, "network.alpha", short),
        ("data.0.folder", listing.folder.absolute().as_posix(), "datasets.0.folder", f"{count} images"),
        *((f"data.0.{key}", value, f"datasets.0.{field}", caption_why) for key, value, field in captions),
        ("data.0.repeats", 1, "datasets.0.repeats", "the number of steps says how often images are shown"),
        ("data.0.resolution", family.resolution, "datasets.0.resolution", f"what {family.title} was trained at"),
        ("captions.trigger", answers.trigger or None, "trigger", "the word that calls the LoRA"),
        ("captions.dropout", DROPOUT, "datasets.0.caption_dropout", "ai-toolkit's UI; BFL's workshop uses it too"),
        ("buckets.aspect_ratios", True, "datasets.0.buckets", "nothing is cropped away to a square"),
        ("training.steps", length.steps, "steps", length.why),
        ("training.batch_size", 1, "batch_size", "fits the most cards" if batch > 1 else short),
        ("training.accumulation", batch, "accumulation", f"images per step: {batch} ({short})"),
        ("training.seed", 42, "seed", "so that the run can be repeated"),
        ("optimizer.name", recipe.optimizer or "adamw", "optimizer.name", short),
        ("optimizer.learning_rate", recipe.learning_rate, "optimizer.learning_rate", source),
        ("optimizer.weight_decay", recipe.weight_decay, "optimizer.weight_decay", short),
        ("optimizer.gradient_clip", 1.0, "optimizer.gradient_clip", "the trainers' common default"),
        ("schedule.name", recipe.scheduler or "constant", "optimizer.scheduler", short),
        ("schedule.warmup_steps", recipe.warmup_steps or 0, "optimizer.warmup_steps", short),
        ("precision.compute", "bf16", "precision.compute", _why_bf16(recipe)),
        (
            "precision.base",
            "fp8" if large else "bf16",
            "precision.base",
            "9 billion parameters in bf16 take 18 GB" if large else "",
        ),
        ("precision.adapter", "fp32", "network.dtype", "small updates are rounded away in 16 bits"),
        ("precision.save", "bf16", "precision.save", "half the size, and programs compute in 16 bits"),
        ("memory.gradient_checkpointing", True, "precision.gradient_checkpointing", "memory for speed"),
        ("memory.cache_latents", True, "cache_latents", "images are encoded once"),
        ("memory.cache_text", True, "cache_text", "captions are encoded once"),
        (
            "validation.prompts",
            prompts,
            "validation.prompts",
            "with and without the trigger: what changed, what leaked",
        ),
        ("validation.every_steps", every, "validation.every_steps", f"{CHECKPOINTS} times a run, with the checkpoints"),
        (
            "validation.held_out",
            held_out or 0,
            "validation.held_out",
            f"kept out ({held_out}): they tell when it is overtrained"
            if held_out
            else f"fewer than {HELD_OUT_FROM} images: none can be spared",
        ),
        ("validation.guidance", preview.guidance, "validation.guidance", f"what {family.title} is drawn with"),
        ("validation.sampler_steps", preview.steps, "validation.sampler_steps", f"what {family.title} is drawn with"),
        ("validation.size", [preview.edge, preview.edge], "validation.size", "the size it is trained at"),
        ("validation.seed", 42, "validation.seed", "the same for every checkpoint, so that they compare"),
        ("saving.every_steps", every, "saving.every_steps", f"{CHECKPOINTS} a run: the best one is seldom the last"),
        ("saving.keep", 0, "saving.keep", "all, until they have been compared"),
    ]
    rows = [_row(key, value) for key, value, _, _ in values if value is not None]
    reasons = {field: why for _, _, field, why in values if why}
    return rows, reasons, (*_size_remarks(answers, count), *_base_remarks(identity), *remarks)


def _row(key: str, value: object) -> Row:
    return Row(tuple(int(part) if part.isdigit() else part for part in key.split(".")), value)


def _family_name(identity: ModelIdentity) -> str:
    return f"flux2-klein-{(identity.size or '').lower()}" if identity.family == "flux2-klein" else str(identity.family)


def _release(identity: ModelIdentity) -> Release | None:
    return next((each for each in RELEASES if each[:3] == (identity.family, identity.size, "base")), None)


def _why_bf16(recipe: Recipe) -> str:
    return f"{recipe.id} recipe" if recipe.precision == "bf16" else "never overflows, unlike the recipe's fp16"


def _prompts(answers: Answers) -> list[str]:
    """One with the trigger, one without it, one of something else: what was learned and what leaked."""
    if answers.prompt:
        return [answers.prompt]
    if not answers.trigger:
        return ["a photograph of a street in the morning, people walking to work"]
    plain = {"style": "a lighthouse on a cliff in a storm", "subject": "standing on a wooden table beside a window"}
    scene = plain.get(answers.purpose, "in a quiet room with soft light from a window")
    return [f"{answers.trigger}, {scene}", scene]


def _captions(answers: Answers, listing: Listing) -> tuple[list[tuple[str, object, str]], str, tuple[str, ...]]:
    """Where captions come from: the caption files that most images have, else the trigger for all."""
    counted: Counter[str] = Counter({end: len(listing.captioned(end)) for end in (".txt", ".caption")})
    extension, captioned = counted.most_common(1)[0]
    if captioned:
        remarks = (
            ()
            if captioned == len(listing.images)
            else (f"{len(listing.images) - captioned} of {len(listing.images)} images have no {extension} caption",)
        )
        return (
            [("captions", "files", "caption_source"), ("caption_extension", extension, "caption_extension")],
            (f"{captioned} of {len(listing.images)} images have a {extension} file"),
            remarks,
        )
    if not answers.trigger and not answers.prompt:
        raise SourceError("the images have no captions: give --trigger, or write a caption beside each image")
    remark = (
        "the images have no captions: every one is trained with the same words, so what they share beside the subject "
    )
    return (
        [("captions", "prompt", "caption_source"), ("prompt", answers.trigger or answers.prompt, "prompt")],
        ("the images have no caption files"),
        (f"{remark}is learned with it; captions separate the two",),
    )


def _size_remarks(answers: Answers, count: int) -> tuple[str, ...]:
    size = SIZES.get(answers.purpose)
    if size is None or count >= size.least:
        return ()
    return (f"{count} images are few for a {answers.purpose}: {size.good[0]} to {size.good[1]} are recommended",)


def _base_remarks(identity: ModelIdentity) -> tuple[str, ...]:
    if not is_distilled(identity.variant):
        return ()
    return (f"this is the {identity.variant} model: a LoRA trained on it seldom holds; train on the base model",)
