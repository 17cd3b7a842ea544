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
from lora_doctor.dialects.writers.known import PREVIEWS
from lora_doctor.models.families import FAMILIES, Family, is_distilled, size_of
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
    band, steps = FAMILIES[recipe.family].exposures, recipe.steps
    if band is None:
        if steps is None:
            raise SourceError(f"the {recipe.id} recipe does not say how long, and nobody else does: take another")
        return _Length(steps, f"shows each of {images} images {steps * batch / images:.0f} times ({recipe.id} recipe)")
    published = f"published are {band.ok[0]:g} to {band.ok[1]:g}"
    seen = sum(band.ok) / 2 if steps is None else steps * batch / images
    wanted = min(max(seen, band.ok[0]), band.ok[1])
    if steps is not None and wanted == seen:
        return _Length(steps, f"shows each of {images} images {seen:.0f} times; {published}")
    why = "the recipe does not say" if steps is None else f"its {steps} steps would show each {seen:.0f} times"
    fitted = max(1, round(wanted * images / batch))
    told = f"{wanted:g} showings x {images} images / batch {batch}; {recipe.id} recipe: {why}, {published}"
    return _Length(fitted, told)


class _Value(NamedTuple):
    """One value of the config: its key, its plan field, and its reason."""

    key: str
    value: object
    field: str
    why: str = ""


class _Known(NamedTuple):
    """What the values follow from."""

    answers: Answers
    path: str
    identity: ModelIdentity
    recipe: Recipe
    listing: Listing
    held_out: int
    length: _Length

    @property
    def cited(self) -> str:
        return f"{self.recipe.id} recipe: {self.recipe.source}"

    @property
    def short(self) -> str:
        return f"{self.recipe.id} recipe"

    @property
    def family(self) -> Family:
        return FAMILIES[self.recipe.family]


def _rows(
    answers: Answers, path: str, identity: ModelIdentity, recipe: Recipe, listing: Listing
) -> tuple[list[Row], dict[str, str], tuple[str, ...]]:
    """lora-doctor's own config as rows, with the reason of each plan field."""
    count = len(listing.images)
    held_out = round(count * 0.1) if count >= HELD_OUT_FROM and answers.trainer == "lora-doctor" else 0
    length = _length(recipe, count - held_out, recipe.batch or 1)
    known = _Known(answers, path, identity, recipe, listing, held_out, length)
    captions, remarks = _captions(answers, listing)
    values = [*_model_values(known), *_data_values(known), *captions, *_training_values(known),
              *_memory_values(known), *_watching_values(known)]  # fmt: skip
    rows = [_row(each.key, each.value) for each in values if each.value is not None]
    reasons = {each.field: each.why for each in values if each.why and each.value is not None}
    unsaid = [f"the {recipe.id} recipe's betas are {', '.join(f'{beta:g}' for beta in recipe.betas)}: write them where "
              "the trainer has them"] if recipe.betas else []  # fmt: skip
    return rows, reasons, (*_size_remarks(answers, count), *_base_remarks(identity), *unsaid, *remarks)


def _model_values(known: _Known) -> list[_Value]:
    answers, recipe = known.answers, known.recipe
    rank = recipe.rank or 16
    base = "the base model, not the distilled one" if known.identity.variant == "base" else ""
    return [
        _Value("purpose", answers.purpose, "purpose"),
        _Value("output", f"runs/{answers.trigger or answers.purpose}", "saving.folder", "checkpoints, samples, logs"),
        _Value("model.path", known.path, "model_file", base),
        _Value("model.family", _family_name(known.identity), "model"),
        _Value("adapter.kind", "lora", "network.kind"),
        _Value("adapter.rank", rank, "network.rank", known.cited),
        _Value("adapter.alpha", rank if recipe.alpha is None else recipe.alpha, "network.alpha", known.short),
        _Value("adapter.targets", list(recipe.targets) or None, "network.targets", known.short),
        _Value("timesteps.sampling", recipe.sampling, "timesteps.sampling", known.short),
        _Value("timesteps.shift", recipe.shift, "timesteps.shift", known.short),
    ]


def _data_values(known: _Known) -> list[_Value]:
    folder, at = known.listing.folder.absolute().as_posix(), "datasets.0"
    trained = f"what {known.family.title} was trained at"
    return [
        _Value("data.0.folder", folder, f"{at}.folder", f"{len(known.listing.images)} images"),
        _Value("data.0.repeats", 1, f"{at}.repeats", "the number of steps says how often images are shown"),
        _Value("data.0.resolution", known.family.resolution, f"{at}.resolution", trained),
        _Value("captions.trigger", known.answers.trigger or None, "trigger", "the word that calls the LoRA"),
        _Value("captions.dropout", DROPOUT, f"{at}.caption_dropout", "ai-toolkit's UI; BFL's workshop uses it too"),
        _Value("buckets.aspect_ratios", True, f"{at}.buckets", "nothing is cropped away to a square"),
    ]


def _training_values(known: _Known) -> list[_Value]:
    recipe, short, batch = known.recipe, known.short, known.recipe.batch or 1
    return [
        _Value("training.steps", known.length.steps, "steps", known.length.why),
        _Value("training.batch_size", 1, "batch_size", "fits the most cards" if batch > 1 else short),
        _Value("training.accumulation", batch, "accumulation", f"images per step: {batch} ({short})"),
        _Value("training.seed", 42, "seed", "so that the run can be repeated"),
        _Value("optimizer.name", recipe.optimizer or "adamw", "optimizer.name", short),
        _Value("optimizer.learning_rate", recipe.learning_rate, "optimizer.learning_rate", known.cited),
        _Value("optimizer.weight_decay", recipe.weight_decay, "optimizer.weight_decay", short),
        _Value("optimizer.gradient_clip", 1.0, "optimizer.gradient_clip", "the trainers' common default"),
        _Value("schedule.name", recipe.scheduler or "constant", "optimizer.scheduler", short),
        _Value("schedule.warmup_steps", recipe.warmup_steps or 0, "optimizer.warmup_steps", short),
    ]


def _memory_values(known: _Known) -> list[_Value]:
    """A large base is stored in fp8; the recipe's fp16 was for cards that have no bf16."""
    size = size_of(known.identity.family, known.identity.size)
    parameters = (size.parameters if size else None) or 0
    large = parameters > LARGE
    stored = known.recipe.base_precision or ("fp8" if large else "bf16")
    why = f"{parameters / 1e9:.0f} billion parameters in bf16 take {parameters * 2 / 1e9:.0f} GB" if large else ""
    never = known.short if known.recipe.precision == "bf16" else "never overflows, unlike the recipe's fp16"
    return [
        _Value("precision.compute", "bf16", "precision.compute", never),
        _Value("precision.base", stored, "precision.base", known.short if known.recipe.base_precision else why),
        _Value("precision.adapter", "fp32", "network.dtype", "small updates are rounded away in 16 bits"),
        _Value("precision.save", "bf16", "precision.save", "half the size, and programs compute in 16 bits"),
        _Value("memory.gradient_checkpointing", True, "precision.gradient_checkpointing", "memory for speed"),
        _Value("memory.cache_latents", True, "cache_latents", "images are encoded once"),
        _Value("memory.cache_text", True, "cache_text", "captions are encoded once"),
    ]


def _watching_values(known: _Known) -> list[_Value]:
    preview, part = PREVIEWS[known.recipe.family], "validation"
    every = max(1, round(known.length.steps / CHECKPOINTS))
    drawn = f"what {known.family.title} is drawn with"
    kept = (
        f"kept out ({known.held_out}): they tell when it is overtrained"
        if known.held_out
        else f"fewer than {HELD_OUT_FROM} images: none can be spared"
    )
    both = "with and without the trigger: what changed, what leaked" if known.answers.trigger else ""
    return [
        _Value(f"{part}.prompts", _prompts(known.answers), f"{part}.prompts", both),
        _Value(f"{part}.every_steps", every, f"{part}.every_steps", f"{CHECKPOINTS} times a run, with the checkpoints"),
        _Value(f"{part}.held_out", known.held_out, f"{part}.held_out", kept),
        _Value(f"{part}.guidance", preview.guidance, f"{part}.guidance", drawn),
        _Value(f"{part}.sampler_steps", preview.steps, f"{part}.sampler_steps", drawn),
        _Value(f"{part}.size", [preview.edge, preview.edge], f"{part}.size", "the size it is trained at"),
        _Value(f"{part}.seed", 42, f"{part}.seed", "the same for every checkpoint, so that they compare"),
        _Value("saving.every_steps", every, "saving.every_steps", f"{CHECKPOINTS} a run: the best is seldom the last"),
        _Value("saving.keep", 0, "saving.keep", "all, until they have been compared"),
    ]


def _row(key: str, value: object) -> Row:
    return Row(tuple(int(part) if part.isdigit() else part for part in key.split(".")), value)


def _family_name(identity: ModelIdentity) -> str:
    return f"flux2-klein-{(identity.size or '').lower()}" if identity.family == "flux2-klein" else str(identity.family)


def _prompts(answers: Answers) -> list[str]:
    """One with the trigger, one without it, one of something else: what was learned and what leaked."""
    if not answers.trigger:
        return ["a photograph of a street in the morning, people walking to work"]
    plain = {"style": "a lighthouse on a cliff in a storm", "subject": "standing on a wooden table beside a window"}
    scene = plain.get(answers.purpose, "in a quiet room with soft light from a window")
    return [f"{answers.trigger}, {scene}", scene]


def _captions(answers: Answers, listing: Listing) -> tuple[list[_Value], tuple[str, ...]]:
    """Where captions come from: the caption files that most images have, else the trigger for all."""
    counted: Counter[str] = Counter({end: len(listing.captioned(end)) for end in (".txt", ".caption")})
    extension, captioned = counted.most_common(1)[0]
    images, key, at = len(listing.images), "data.0", "datasets.0"
    if captioned:
        why = f"{captioned} of {images} images have a {extension} file"
        remarks = () if captioned == images else (f"{images - captioned} of {images} images have no caption",)
        return [
            _Value(f"{key}.captions", "files", f"{at}.caption_source"),
            _Value(f"{key}.caption_extension", extension, f"{at}.caption_extension", why),
        ], remarks
    if not answers.trigger:
        raise SourceError("the images have no captions: give --trigger, or write a caption beside each image")
    why = "the images have no caption files"
    return [
        _Value(f"{key}.captions", "prompt", f"{at}.caption_source", why),
        _Value(f"{key}.prompt", answers.trigger, f"{at}.prompt", why),
    ], (f"{why}: what they share beside `{answers.trigger}` is learned with it; captions separate the two",)


def _size_remarks(answers: Answers, count: int) -> tuple[str, ...]:
    size = SIZES.get(answers.purpose)
    if size is None or count >= size.least:
        return ()
    return (f"{count} images are few for a {answers.purpose}: {size.good[0]} to {size.good[1]} are recommended",)


def _base_remarks(identity: ModelIdentity) -> tuple[str, ...]:
    if not is_distilled(identity.variant):
        return ()
    return (f"this is the {identity.variant} model: a LoRA trained on it seldom holds; train on the base model",)
