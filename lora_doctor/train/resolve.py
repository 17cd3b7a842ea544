"""Any trainer's plan becomes a `Job`: every value with its reason, and what can't be honoured said.

Values come, first found first taken, from the command line, the config, the recipe, the trainer's defaults, and
lora-doctor's defaults.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lora_doctor.dialects.native import TRAINER as OWN
from lora_doctor.dialects.native_fields import FIELDS, Field
from lora_doctor.plan import Plan
from lora_doctor.recipes import RECIPES, Recipe
from lora_doctor.setting import is_of_type
from lora_doctor.source.document import SourceError
from lora_doctor.train import job as parts
from lora_doctor.train import stages
from lora_doctor.train.data import data_of, where
from lora_doctor.train.foreign import dropped_of, foreign_values
from lora_doctor.train.job import DEFAULT, TABLES, Job, Model
from lora_doctor.train.local import MICRO, folder_of, model_of
from lora_doctor.train.optimizers import lacking

CARD = "the model's card"
PATHS = ("adapter.start_from", "adapter.stack_on", "adapter.merge", "memory.cache_folder")
LISTS = ("adapter.stack_on", "adapter.merge")  # of which one may stand alone
SINGLE = {field.key: field for field in FIELDS if field.type != "table" and "*" not in field.key}


class Value(NamedTuple):
    """One value and why it is this one."""

    value: Any
    reason: str


Values = dict[str, Value]  # by native key


def resolve(plan: Plan, told: Mapping[str, Any]) -> Job:
    """The job of a plan; `told` are values of the command line by native key (`data` is a folder).

    Raises:
        SourceError: something needed is missing, of the wrong type, or can't be trained here.
    """
    values = _values(plan, told)
    values |= {key: Value(*built) for key, built in stages.values_of(plan, told).items()}
    missing = _with_installed_optimizer(values)
    if values["adapter.text_encoder"].value is True:
        values["memory.cache_text"] = Value(False, "the text encoder is trained: captions can't be encoded before")
    for key, value in values.items():
        _check(key, value)
    count = values["memory.pipeline_stages"].value
    if count > 1 and values["training.processes"].reason == DEFAULT:
        values["training.processes"] = Value(count, "one for each of `memory.pipeline_stages`")
    output = values.get("output")
    if output is None or not output.value:
        raise SourceError("which run folder? `output` in the config, or --output DIR")
    named = values.get("model.path")
    model = model_of(plan, named.value if named else None, named.reason if named else "")
    data, limits = data_of(plan, told, values["buckets.resolution"].value), _limits(values)
    tables = {name: _table(kind, name, values) for name, kind in TABLES.items()}
    job = Job(
        output=Path(output.value).expanduser().absolute(),
        model=_with_parts(model, values),
        data=data,
        training=_table(parts.Training, "training", values, steps=int(limits.get("steps") or 0)),
        recipe=_plain(values, "recipe"),
        purpose=_plain(values, "purpose"),
        reasons={key: value.reason for key, value in values.items()},
        dropped=(*missing, *(dropped_of(plan) if plan.trainer != OWN else ())),
        **tables,
    )
    return with_epochs(with_length(_with_dropouts(job), limits), values)


def _with_dropouts(job: Job) -> Job:
    """What SDXL needs for guidance by text and by image: both are left out now and then (arXiv:2211.09800)."""
    if not job.edits or job.model.family != "sdxl":
        return job
    why, reasons = "InstructPix2Pix: guidance by image and text", dict(job.reasons)
    if job.edit.control_dropout is None:
        job, reasons["edit.control_dropout"] = job._replace(edit=job.edit._replace(control_dropout=0.1)), why
    if job.reasons.get("captions.dropout") == DEFAULT:
        job, reasons["captions.dropout"] = job._replace(captions=job.captions._replace(dropout=0.1)), why
    return job._replace(reasons=reasons)


def _values(plan: Plan, told: Mapping[str, Any]) -> Values:
    """Every native key that has a value."""
    written, defaults = (_native(plan), {}) if plan.trainer == OWN else foreign_values(plan)
    said = {key: Value(*pair) for key, pair in written.items()}
    said |= {
        key: Value(value, _flag(key))
        for key, value in told.items()
        if value is not None and key not in ("data", "control")
    }
    own = {key: Value(field.default, DEFAULT) for key, field in SINGLE.items() if field.default is not None}
    name = said["recipe"].value if "recipe" in said else None
    stated = {key: Value(*pair) for key, pair in defaults.items()}
    values: Values = own | stated | _card(said.get("model.path")) | _recipe(name) | said
    if "adapter.alpha" not in values:
        values["adapter.alpha"] = Value(values["adapter.rank"].value, DEFAULT)
    return values


def _card(path: Value | None) -> Values:
    """What a micro model's own card says it is best trained with: published recipes are for other sizes."""
    try:
        known = folder_of(str(path.value) if path else None) / MICRO
        advised = json.loads(known.read_text(encoding="utf-8")).get("training", {}) if known.is_file() else {}
    except (OSError, ValueError, AttributeError, SourceError):  # what is wrong with the folder is told by `model_of`
        return {}
    return {key: Value(value, CARD) for key, value in advised.items() if key in SINGLE}


def _with_installed_optimizer(values: Values) -> list[str]:
    """Take fp32 AdamW where 8-bit AdamW is not installed, which differs in memory only, and say so.

    Raises:
        SourceError: another optimiser's package is missing.
    """
    chosen = values["optimizer.name"]
    package = lacking(str(chosen.value))
    if package is None:
        return []
    if chosen.value != "adamw8bit":
        raise SourceError(f"optimizer.name = {chosen.value!r} ({chosen.reason}) needs {package}: pip install {package}")
    values["optimizer.name"] = Value("adamw", f"{chosen.reason}, without {package}")
    return [f"adamw8bit ({chosen.reason}) needs {package}, which is not installed: adamw takes its place"]


def _flag(key: str) -> str:
    names = {"saving.every_steps": "--save-every", "training.steps": "--steps", "training.seed": "--seed"}
    names |= {"training.processes": "--num-processes", "memory.pipeline_stages": "--pipeline-stages"}
    return names.get(key, f"--{key.rpartition('.')[2]}" if key != "model.path" else "--model")


def _native(plan: Plan) -> dict[str, tuple[Any, str]]:
    """What lora-doctor's own config says."""
    return {
        key: (setting.value, where(setting))
        for key in SINGLE
        if (setting := plan.config.get(key)).written and setting.value is not None
    } | dict(_patterns(plan))


def _patterns(plan: Plan) -> Iterator[tuple[str, tuple[Any, str]]]:
    for key in ("adapter.rank_pattern", "adapter.alpha_pattern", "optimizer.options"):
        setting = plan.config.get(key)
        if setting.written and isinstance(setting.value, dict):
            yield key, (setting.value, where(setting))


def _recipe(name: str | None) -> Values:
    if name is None:
        return {}
    recipe = RECIPES.get(name)
    if recipe is None:
        raise SourceError(f"recipe = {name!r} is none of {', '.join(RECIPES)}")
    return {key: Value(value, f"recipe {name}") for key, value in recipe_values(recipe).items() if value is not None}


def recipe_values(recipe: Recipe) -> dict[str, Any]:
    """A recipe under native keys; its batch is the effective one, made of single images."""
    found = {
        "adapter.rank": recipe.rank,
        "adapter.alpha": recipe.alpha,
        "adapter.targets": list(recipe.targets) or None,
        "training.steps": recipe.steps,
        "training.accumulation": recipe.batch,
        "optimizer.name": recipe.optimizer,
        "optimizer.learning_rate": recipe.learning_rate,
        "optimizer.weight_decay": recipe.weight_decay,
        "optimizer.betas": list(recipe.betas) or None,
        "schedule.name": recipe.scheduler,
        "schedule.warmup_steps": recipe.warmup_steps,
        "precision.compute": recipe.precision,
        "precision.base": recipe.base_precision,
        "timesteps.sampling": recipe.sampling,
        "timesteps.shift": recipe.shift,
    }
    return {key: value for key, value in found.items() if value is not None}


def _check(key: str, value: Value) -> None:
    """Refuse a value of another type or outside its bounds."""
    field = SINGLE.get(key)
    if field is None or value.value is None:
        return
    if field.choices and isinstance(value.value, str) and value.value not in field.choices:
        raise SourceError(f"{key} = {value.value!r} ({value.reason}) is none of {', '.join(field.choices)}")
    if not is_of_type(value.value, field.type):
        raise SourceError(f"{key} = {value.value!r} ({value.reason}) is no {field.type.replace('|', ' or ')}")
    if _outside(field, value.value):
        low, high = field.minimum, field.maximum
        bounds = f"at least {low:g}" if high is None else f"between {low or 0:g} and {high:.10g}"
        raise SourceError(f"{key} = {value.value!r} ({value.reason}) must be {bounds}")


def _outside(field: Field, value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    low, high = field.minimum, field.maximum
    return (low is not None and value < low) or (high is not None and value > high)


def _table(kind: Any, name: str, values: Values, **fixed: Any) -> Any:
    """One part of the job, from the keys of its table."""
    found = {field: values[f"{name}.{field}"].value for field in kind._fields if f"{name}.{field}" in values}
    for field, value in found.items():
        key = f"{name}.{field}"
        several = [value] if key in LISTS and isinstance(value, str) else value
        if isinstance(several, list):
            found[field] = tuple(map(_path, several)) if key in PATHS else tuple(several)
        elif key in PATHS and value is not None:
            found[field] = _path(value)
    return kind(**{field: value for field, value in found.items() if value is not None} | fixed)


def _path(value: Any) -> Path:
    return Path(value).expanduser().absolute()


def _plain(values: Values, key: str) -> Any:
    return values[key].value if key in values else None


def _with_parts(model: Model, values: Values) -> Model:
    return model._replace(
        text_encoder=_part(values, "text_encoder"), vae=_part(values, "vae"), transformer=_part(values, "transformer")
    )


def _part(values: Values, name: str) -> Path | None:
    reference = _plain(values, f"model.{name}")
    if not reference:
        return None
    path, what = Path(reference).expanduser(), "file" if name == "transformer" else "folder"
    if not (path.is_file() if what == "file" else path.is_dir()):
        place = values[f"model.{name}"].reason
        raise SourceError(f"model.{name} = {reference!r} ({place}) is no {what} on this machine")
    return path.absolute()


def _limits(values: Values) -> dict[str, float]:
    """What ends the run: steps, epochs, exposures; a recipe's or a card's steps count where nothing else is said."""
    names = ("steps", "epochs", "exposures")
    found = {name: values[f"training.{name}"] for name in names if f"training.{name}" in values}
    said = {name: value for name, value in found.items() if not value.reason.startswith((CARD, "recipe "))}
    limits = {name: value.value for name, value in (said or found).items() if value.value}
    if not limits:
        raise SourceError("how long? training.steps, training.epochs or training.exposures in the config, or --steps N")
    return limits


def with_length(job: Job, limits: Mapping[str, float]) -> Job:
    """The job with its number of optimiser steps: the first limit that is reached."""
    from lora_doctor.train.length import steps_of

    steps, reason = steps_of(job, limits)
    reasons = {**job.reasons, "training.steps": reason or job.reasons.get("training.steps", "")}
    return job._replace(training=job.training._replace(steps=steps), reasons=reasons)


def with_epochs(job: Job, values: Values) -> Job:
    """Intervals that other trainers count in epochs, in steps, where no interval in steps was written."""
    saving, validation = _every(job, values, "saving"), _every(job, values, "validation")
    if saving is not None:
        job = job._replace(saving=job.saving._replace(every_steps=saving.value))
    if validation is not None:
        job = job._replace(validation=job.validation._replace(every_steps=validation.value))
    found = {"saving.every_steps": saving, "validation.every_steps": validation}
    return job._replace(reasons={**job.reasons, **{key: each.reason for key, each in found.items() if each}})


def _every(job: Job, values: Values, table: str) -> Value | None:
    from lora_doctor.train.length import epoch_steps

    told, own = values.get(f"{table}.every_epochs"), values[f"{table}.every_steps"]
    if told is None or DEFAULT not in own.reason:
        return None
    return Value(max(1, round(epoch_steps(job) * told.value)), f"{told.value:g} epochs, {told.reason}")
