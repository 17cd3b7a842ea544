"""Another trainer's plan in the words of lora-doctor's own config, and what of it can't be honoured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lora_doctor.derived import coverage, optimizer_family
from lora_doctor.describe import plan_rows
from lora_doctor.dialects.native_fields import SCHEDULERS
from lora_doctor.plan import Plan
from lora_doctor.setting import Setting
from lora_doctor.source.document import SourceError

Found = dict[str, tuple[Any, str]]  # native key -> value, reason
KINDS = ("lora", "dora", "lokr", "loha")
FORMATS = ("bf16", "fp16", "fp32")
STORED = (*FORMATS, "fp8", "int8", "nf4")
ALIASES = {"sigma": "uniform", "shift": "sigmoid", "flux_shift": "sigmoid", "flux2_shift": "sigmoid"}
KEPT = (
    "diff_output_preservation",
    "diff_output_preservation_multiplier",
    "diff_output_preservation_class",
    "blank_prompt_preservation",
    "blank_prompt_preservation_multiplier",
)
SHIFTED = ("flux_shift", "flux2_shift")


def foreign_values(plan: Plan) -> tuple[Found, Found]:
    """What the config says, and what its trainer does where it says nothing."""
    written: Found = {}
    defaults: Found = {}
    for key, setting, convert in _rows(plan):
        value = None if setting.value is None else convert(setting.value)
        if value is None:
            continue
        if setting.written:
            written[key] = (value, _where(setting))
        else:
            defaults[key] = (value, f"{plan.trainer}'s default")
    _refuse(plan)
    for found, more in ((written, _computed(plan)), (defaults, _data_wide(plan, written=False))):
        found.update(more)
    written.update(_data_wide(plan, written=True))
    return written, defaults


def _where(setting: Setting[Any]) -> str:
    if setting.place is None:
        return setting.key
    document = setting.place.document
    return f"{setting.key}, {Path(document.name).name} line {document.position(setting.place.span.start).line}"


def _refuse(plan: Plan) -> None:
    kind = plan.network.kind.value
    if kind is not None and kind not in KINDS:
        what = "a full fine-tune" if kind == "full" else f"a {kind}"
        raise SourceError(f"{plan.config.document.name} asks for {what}; train makes {', '.join(KINDS)}")


def _same(value: Any) -> Any:
    return value


def _one_of(*names: str) -> Callable[[Any], Any]:
    return lambda value: value if value in names else None


def optimizer_name(name: str) -> str | None:
    """Our word for an optimiser of another trainer; None for one that is not here."""
    family = optimizer_family(name)
    plain = name.lower().replace("_", "").replace("-", "")
    if family == "adamw":
        return "adamw8bit" if "8bit" in plain else "adamw"
    return {"schedulefree": "adamw-schedulefree"}.get(family or "", family if family in _OURS else None)


_OURS = ("prodigy", "adafactor", "lion")


def _sampling(name: str) -> str | None:
    return ALIASES.get(name, name if name in ("logit_normal", "uniform", "sigmoid") else None)


def _rows(plan: Plan) -> Iterator[tuple[str, Setting[Any], Callable[[Any], Any]]]:
    """Native key, the plan's setting, and how its value is said here (None: it can't be)."""
    network, optimizer, precision, times = plan.network, plan.optimizer, plan.precision, plan.timesteps
    yield "adapter.kind", network.kind, _one_of(*KINDS)
    yield "adapter.rank", network.rank, int
    yield "adapter.dropout", network.dropout, float
    yield "adapter.start_from", network.weights, str
    yield "precision.adapter", network.dtype, _one_of(*FORMATS)
    yield "optimizer.name", optimizer.name, optimizer_name
    yield "optimizer.learning_rate", optimizer.learning_rate, float
    yield "optimizer.weight_decay", optimizer.weight_decay, float
    yield "optimizer.gradient_clip", optimizer.gradient_clip, float
    yield "optimizer.ema", optimizer.ema, bool
    yield (
        "schedule.name",
        optimizer.scheduler,
        lambda name: str(name).lower() if str(name).lower() in SCHEDULERS else None,
    )
    yield "schedule.warmup_steps", optimizer.warmup_steps, lambda value: round(value)
    yield "precision.compute", precision.compute, _one_of(*FORMATS)
    yield "precision.base", precision.base, _one_of(*STORED)
    yield "precision.text_encoder", precision.text_encoder, _one_of(*STORED)
    yield "precision.save", precision.save, _one_of(*FORMATS)
    yield "memory.gradient_checkpointing", precision.gradient_checkpointing, bool
    yield "memory.blocks_to_swap", precision.blocks_to_swap, int
    yield "memory.cache_latents", plan.cache_latents, bool
    yield "memory.cache_text", plan.cache_text, bool
    yield "timesteps.sampling", times.sampling, _sampling
    yield "timesteps.shift", times.shift, float
    yield "timesteps.prediction", times.prediction, _one_of("epsilon", "v")
    yield "timesteps.zero_terminal_snr", times.zero_terminal_snr, bool
    yield "timesteps.min_snr_gamma", times.min_snr_gamma, float
    yield "validation.prompts", plan.validation.prompts, _texts
    yield "validation.every_steps", plan.validation.every_steps, int
    yield "validation.guidance", plan.validation.guidance, float
    yield "validation.sampler_steps", plan.validation.sampler_steps, int
    yield "validation.size", plan.validation.size, _same
    yield "validation.seed", plan.validation.seed, _seed
    yield "saving.every_steps", plan.saving.every_steps, lambda value: int(value) or None
    yield "saving.every_epochs", plan.saving.every_epochs, lambda value: value or None
    yield "validation.every_epochs", plan.validation.every_epochs, lambda value: value or None
    yield "training.steps", plan.steps, int
    yield "training.epochs", plan.epochs, _same
    yield "training.batch_size", plan.batch_size, int
    yield "training.accumulation", plan.accumulation, int
    yield "training.seed", plan.seed, _seed
    yield "training.processes", plan.processes, int
    yield "captions.trigger", plan.trigger, lambda word: word or None
    yield "model.path", plan.model.setting, str
    yield "output", plan.saving.folder, str
    yield "purpose", plan.purpose, str
    yield "recipe", plan.recipe, str


def _texts(value: Any) -> list[str] | None:
    found = [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
    return found or None


def _seed(value: Any) -> int | None:
    return int(value) if value >= 0 else None


def _computed(plan: Plan) -> Found:
    """What takes more than one setting: alpha as it counts there, the layers, saves by epoch, resolution's shift."""
    found: Found = {}
    network = plan.network
    if network.scale is not None and network.rank.value:
        told = f"{plan.trainer} scales by {network.scale:g}"
        found["adapter.alpha"] = (network.scale * network.rank.value, told)
    targets = targets_of(plan)
    if targets:
        found["adapter.targets"] = (
            targets,
            _where(network.targets) if network.targets.written else f"{plan.trainer}'s layers",
        )
    if plan.timesteps.sampling.value in SHIFTED and plan.timesteps.shift.value is None:
        found["timesteps.shift"] = ("resolution", f"{plan.trainer}'s {plan.timesteps.sampling.value}")
    if plan.saving.keep.written and plan.saving.keep.value:
        found["saving.keep"] = (int(plan.saving.keep.value), _where(plan.saving.keep))
    return found | dict(_kept(plan))


def _kept(plan: Plan) -> Iterator[tuple[str, tuple[Any, str]]]:
    """ai-toolkit's two ways to keep what the base says: to captions of the class, and to the empty prompt."""
    if plan.trainer != "ai-toolkit":
        return
    for name, table in (("diff_output_preservation", "output"), ("blank_prompt_preservation", "prior")):
        switch, weight = plan.get(f"train.{name}"), plan.get(f"train.{name}_multiplier")
        if switch.value is True:
            told = _where(switch)
            given = weight.value if isinstance(weight.value, (int, float)) else 1.0
            yield f"keeping.{table}_weight", (float(given), told)
            more = plan.get(f"train.{name}_class").value or "" if table == "output" else [""]
            yield f"keeping.{'output_class' if table == 'output' else 'prior_prompts'}", (more, told)


def targets_of(plan: Plan) -> list[str] | None:
    """The layers this trainer reaches, as endings of diffusers' names; None where that is not known."""
    from lora_doctor.adapter.names import find
    from lora_doctor.models.families import model_id
    from lora_doctor.models.modules import table

    reached, family = coverage(plan), plan.model.family or ""
    known = model_id(family, plan.model.size, plan.model.variant)
    if reached is None or known is None or not reached.modules:
        return None
    every = [module.name for module in table(known, "diffusers")]
    wanted: set[str] = set()
    for module in reached.modules:
        place = None if module.name in every else find("sdxl" if family == "sdxl" else family, module.name)
        wanted |= {module.name} if place is None else set(place.pair.parts)
    wanted &= set(every)
    return endings(wanted, every) if wanted else None


def endings(wanted: set[str], every: list[str]) -> list[str]:
    """The shortest name endings that match the wanted layers and no other."""
    others = [name for name in every if name not in wanted]
    taken = {".".join(name.split(".")[i:]) for name in others for i in range(name.count(".") + 1)}
    found: dict[str, None] = {}
    for name in sorted(wanted):
        parts = name.split(".")
        tails = (".".join(parts[i:]) for i in range(len(parts) - 1, -1, -1))
        found[next((tail for tail in tails if tail not in taken), name)] = None
    return list(found)


def _data_wide(plan: Plan, *, written: bool) -> Found:
    """Settings that other trainers have per folder and this one once: the first folder's."""
    found: Found = {}
    for data in plan.datasets[:1]:
        rows = (
            ("captions.dropout", data.caption_dropout, float),
            ("captions.shuffle_tags", data.shuffle_tags, bool),
            ("captions.keep_tags", data.keep_tokens, int),
            ("captions.trigger", data.trigger, lambda word: word or None),
            ("buckets.aspect_ratios", data.buckets, bool),
            ("training.batch_size", data.batch_size, int),
        )
        for key, setting, convert in rows:
            value = None if setting.value is None or setting.written is not written else convert(setting.value)
            if value is not None:
                found[key] = (value, _where(setting) if written else f"{plan.trainer}'s default")
    if not written and "captions.dropout" not in found:
        found["captions.dropout"] = (0.0, f"{plan.trainer} has none")
    return found


def dropped_of(plan: Plan) -> Iterator[str]:
    """What of the config can't be honoured, a sentence each; settings without a counterpart here share the last."""
    network = plan.network
    checked: tuple[tuple[str, Setting[Any], Callable[[Any], bool]], ...] = (
        ("optimiser", plan.optimizer.name, lambda v: optimizer_name(v) is not None),
        ("schedule", plan.optimizer.scheduler, lambda v: str(v).lower() in SCHEDULERS),
        ("timestep sampling", plan.timesteps.sampling, lambda v: _sampling(v) is not None),
        ("compute format", plan.precision.compute, lambda v: v in FORMATS),
        ("storage of the base model", plan.precision.base, lambda v: v in STORED),
        ("storage of the text encoder", plan.precision.text_encoder, lambda v: v in STORED),
    )
    for word, setting, known in checked:
        if setting.value is not None and not known(setting.value):
            yield f"{word} `{setting.value}` ({_where(setting)}) is not here: lora-doctor's default takes its place"
    if network.rank.value is None:
        yield f"{plan.trainer} trains {network.kind.value or 'this adapter'} at full rank, or its rank is not known: 16"
    if network.conv_rank.written and network.conv_rank.value:
        yield f"{_where(network.conv_rank)}: convolutions get the same rank as the other layers"
    if plan.train_text_encoder.value:
        yield f"{_where(plan.train_text_encoder)}: the text encoder is not trained"
    if plan.saving.keep.value and not plan.saving.keep.written:
        yield f"{plan.trainer} would keep the newest {plan.saving.keep.value} checkpoints; here all are kept"
    if network.targets.value and targets_of(plan) is None:
        yield f"{_where(network.targets)}: no layer of this model is known by these names; all linear ones are trained"
    unread = _unread(plan)
    if unread:
        yield f"settings of {plan.trainer} that are left aside: {', '.join(unread)}"


def _unread(plan: Plan) -> list[str]:
    """Written keys that no field of the plan was read from, parts of what was read and its siblings left out."""
    read = {setting.key for _, setting in plan_rows(plan) if setting.key}
    if plan.trainer == "ai-toolkit":
        read |= {setting.key for name in KEPT if (setting := plan.get(f"train.{name}")).key}
    return [
        setting.key
        for config in plan.configs
        for _, setting in config.written()
        if setting.key not in read
        and not isinstance(setting.value, dict)
        and not _of_tables(setting.value)
        and not any(setting.key.startswith(f"{key}.") for key in read)
        and setting.key.rpartition(".")[2] not in ("type", "height", "name", "noise_scheduler", "device", "arch")
    ]


def _of_tables(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(each, dict) for each in value)
