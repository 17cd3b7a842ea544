"""What a plan does, in one spelling for all trainers, so that plans of two trainers can be compared and translated.

A `Plan` keeps the trainer's own words where words differ (`ADAMW_8BIT`, `bnb-adamw8bit`, `adamw8bit` are one
optimiser). Here they get one name, an alpha is the one that counts, and what a trainer has no notion of takes the value
that does nothing. What nobody can know stays unknown.
"""

from __future__ import annotations

from typing import Any

from lora_doctor import derived
from lora_doctor.models.families import FAMILIES
from lora_doctor.plan import Dataset, Network, Optimizer, Plan, Precision, Saving, Timesteps, Validation
from lora_doctor.setting import Setting

# Optimisers that do the same under many names. `adamw-kahan`: weights in bf16, what rounding loses is kept beside them.
OPTIMIZERS = {
    "adamw": ("adamw", "torchadamw", "bnbadamw", "sdnqadamw", "pagedadamw", "pagedadamw32bit", "bnbadamwpaged"),
    "adamw8bit": ("adamw8bit", "bnbadamw8bit", "aoadamw8bit", "pagedadamw8bit", "bnbadamw8bitpaged"),
    "adamw-kahan": ("adamwkahan", "adamwoptimi", "adamwbf16", "optimiadamw"),
    "adamw8bit-kahan": ("adamw8bitkahan",),
    "adafactor": ("adafactor", "torchadafactor", "sdnqadafactor"),
    "lion": ("lion", "optimilion", "bnblion", "sdnqlion"),
    "lion8bit": ("lion8bit", "bnblion8bit"),
    "prodigy": ("prodigy",),
    "adamw-schedulefree": ("adamwschedulefree", "schedulefreeadamw"),
}
_BY_NAME = {name: meant for meant, names in OPTIMIZERS.items() for name in names}
# Schedules that read no warm-up under this name (transformers and diffusers `get_scheduler`; ai-toolkit and SimpleTuner
# are read with theirs already).
_PLAIN_CONSTANT = ("sd-scripts", "musubi-tuner", "lora-doctor", "kohya_ss", "diffusers")
# Sampling under the name of the normal deviate it is drawn from: a sigmoid of it is the logit-normal distribution.
_SAMPLING = {
    "sigmoid": "logit_normal",
    "flux2_shift": "flux_shift",
    "weighted": "weighted",
}

ALL = 1_000_000  # checkpoints kept: written where a trainer wants a number


def canonical(plan: Plan) -> Plan:
    """The plan in the common spelling; keys and places of its settings stay those of its trainer."""
    return plan._replace(
        network=_network(plan),
        optimizer=_optimizer(plan),
        precision=_precision(plan.precision),
        timesteps=_timesteps(plan),
        validation=_validation(plan),
        saving=_saving(plan),
        accumulation=_or(plan.accumulation, 1),
        processes=_or(plan.processes, 1),
        train_text_encoder=_or(plan.train_text_encoder, False),
        stage=None,  # what it comes to stands in the fields: its folder and what it builds on are its own trainer's
        trigger=_trigger(plan),
        datasets=tuple(part for data in plan.datasets for part in _datasets(data, _trigger(plan).value)),
    )


def _or(setting: Setting[Any], neutral: Any) -> Setting[Any]:
    """What a trainer without such a setting does."""
    return setting if setting.value is not None else setting._replace(value=neutral, origin="default")


def _unread(plan: Plan, setting: Setting[Any]) -> bool:
    """Whether something is written that comes to a number nobody knows here: 5 % of a run of unknown length."""
    key = setting.key.removeprefix(plan.config.prefix)
    return setting.value is None and bool(key) and bool(plan.config.get(key).value)


def _unless(setting: Setting[Any], *nothing: Any) -> Setting[Any]:
    """Unknown where the value only says that the setting is off."""
    off = any(type(setting.value) is type(value) and setting.value == value for value in nothing)
    return setting._replace(value=None, origin="unknown") if off else setting


def _network(plan: Plan) -> Network:
    """Alpha is what the scale comes from; without convolutions in the model, their rank counts for nothing."""
    network, family = plan.network, FAMILIES.get(plan.model.family or "")
    alpha, rank = network.alpha, network.rank.value
    if network.scale is not None and rank:
        counted = network.scale * rank
        if alpha.value is None or abs(counted - alpha.value) > 1e-9 * max(1.0, abs(counted)):
            alpha = alpha._replace(value=counted, rewrite=None)
    convolutions = family is None or family.conv_targets
    return network._replace(
        alpha=alpha,
        dropout=_or(network.dropout, 0.0),
        conv_rank=_unless(network.conv_rank, 0) if convolutions else Setting(),
        conv_alpha=network.conv_alpha if convolutions and network.conv_rank.value else Setting(),
        weights=_unless(network.weights, ""),
    )


def optimizer_name(name: str | None) -> str | None:
    """One name for one optimiser; an optimiser nobody else has keeps its own."""
    if not name:
        return None
    plain = name.rpartition(".")[2].lower().replace("_", "").replace("-", "").partition("+")[0]
    return _BY_NAME.get(plain, name.lower())


def _optimizer(plan: Plan) -> Optimizer:
    optimizer, scheduler = plan.optimizer, plan.optimizer.scheduler
    warmup = optimizer.warmup_steps
    shape = None if scheduler.value is None else str(scheduler.value).lower()
    if shape == "constant" and plan.trainer in _PLAIN_CONSTANT:
        warmup = warmup._replace(value=0, rewrite=None)
    if shape in ("constant_with_warmup", "cosine_with_warmup"):
        shape = shape.partition("_")[0]
    trains_text = plan.train_text_encoder.value is True
    return optimizer._replace(
        name=optimizer.name.map(optimizer_name),
        text_encoder_learning_rate=optimizer.text_encoder_learning_rate if trains_text else Setting(),
        scheduler=scheduler._replace(value=shape, rewrite=None),
        warmup_steps=warmup if _unread(plan, warmup) else _or(warmup, 0),
        ema=_or(optimizer.ema, False),
    )


def _precision(precision: Precision) -> Precision:
    return precision._replace(
        blocks_to_swap=_or(precision.blocks_to_swap, 0),
        gradient_checkpointing=_or(precision.gradient_checkpointing, False),
    )


def _timesteps(plan: Plan) -> Timesteps:
    """A shift that follows the resolution is part of the way to draw: `flux_shift`, or `uniform_shift`."""
    timesteps = plan.timesteps
    drawn = timesteps.sampling.value
    name = _SAMPLING.get(str(drawn), drawn)
    shift = timesteps.shift
    if drawn == "shift":  # sd-scripts and musubi shift a sigmoid by a number, ai-toolkit an even draw by resolution
        name = "uniform_shift" if plan.trainer == "ai-toolkit" else "logit_normal"
    elif _follows_resolution(plan):
        name = {"logit_normal": "flux_shift", "uniform": "uniform_shift", None: None}.get(name, name)
    if name in ("flux_shift", "uniform_shift", "weighted"):
        shift = Setting()
    elif name is not None:
        shift = _or(shift, 1.0)
        shift = shift._replace(value=1.0) if shift.value == 0 else shift
    flow = timesteps.prediction.value == "flow" or plan.model.family not in ("sdxl", "sd15", "sd2", None)
    return timesteps._replace(
        sampling=timesteps.sampling._replace(value=name, rewrite=None) if flow else Setting(),
        shift=shift if flow else Setting(),
        weighting=_unless(timesteps.weighting, "none", "constant", "uniform") if flow else Setting(),
        prediction=_or(timesteps.prediction, "flow" if flow else "epsilon"),
        zero_terminal_snr=_or(timesteps.zero_terminal_snr, False),
        min_snr_gamma=Setting() if flow else _unless(timesteps.min_snr_gamma, 0, 0.0),
        noise_offset=Setting() if flow else _unless(timesteps.noise_offset, 0, 0.0),
        guidance=timesteps.guidance if plan.model.family == "flux1" else Setting(),
    )


def _follows_resolution(plan: Plan) -> bool:
    """Whether a trainer's own switch makes the shift follow the resolution."""
    if plan.trainer == "lora-doctor":
        return plan.get("timesteps.shift").value == "resolution"
    if plan.trainer == "OneTrainer":
        return plan.get("dynamic_timestep_shifting").value is True
    return (
        plan.trainer == "diffusion-pipe"
        and plan.get("model.flux_shift").value is True
        and not plan.get("model.shift").value
    )


def _validation(plan: Plan) -> Validation:
    """Without prompts nothing is drawn, whatever else is set."""
    validation = plan.validation
    held_out = validation.held_out if validation.held_out.value else Setting[Any]()
    if not validation.prompts.value:
        return Validation(prompts=validation.prompts._replace(value=None, origin="unknown"), held_out=held_out)
    steps, epochs = _rhythm(plan, validation.every_steps, validation.every_epochs)
    walking = _or(validation.walk_seed, False)
    return validation._replace(every_steps=steps, every_epochs=epochs, held_out=held_out, walk_seed=walking)


def _rhythm(plan: Plan, steps: Setting[int], epochs: Setting[int]) -> tuple[Setting[int], Setting[int]]:
    """Steps between two checkpoints or previews; epochs only where it is not known how many steps they have."""
    steps, epochs = _unless(steps, 0), _unless(epochs, 0)
    samples, batch = derived.samples_per_epoch(plan), derived.effective_batch(plan)
    if steps.value is None and epochs.value and samples and batch:
        return epochs._replace(value=max(1, round(epochs.value * samples / batch)), rewrite=None), Setting()
    return steps, epochs if steps.value is None else Setting()


def _saving(plan: Plan) -> Saving:
    saving = plan.saving
    steps, epochs = _rhythm(plan, saving.every_steps, saving.every_epochs)
    all_kept = saving.keep.value is None or saving.keep.value <= 0 or saving.keep.value >= ALL
    return saving._replace(
        every_steps=steps,
        every_epochs=epochs,
        keep=saving.keep._replace(value=None, origin="unknown") if all_kept else saving.keep,
        resume=saving.resume if saving.resume.written and saving.resume.value else Setting(),
        resumable=Setting(),  # states are no part of what is trained
    )


def _trigger(plan: Plan) -> Setting[str]:
    """The run's trigger word, or the one its datasets have."""
    own = (plan.trigger, *(data.trigger for data in plan.datasets))
    return next((setting for setting in own if setting.value), Setting())


def _datasets(data: Dataset, trigger: str | None) -> tuple[Dataset, ...]:
    """A folder that is trained at several resolutions is one dataset for each."""
    plain = data._replace(
        repeats=_or(data.repeats, 1),
        control=_unless(data.control, ""),
        masks=_unless(data.masks, "", False),
        caption_dropout=_or(data.caption_dropout, 0.0),
        shuffle_tags=_or(data.shuffle_tags, False),
        keep_tokens=_unless(data.keep_tokens, 0) if data.shuffle_tags.value else Setting(),
        regularisation=_or(data.regularisation, False),
        trigger=_unless(data.trigger, "", trigger),
        caption_extension=data.caption_extension if data.caption_source.value == "files" else Setting(),
        prompt=data.prompt if data.caption_source.value == "prompt" else Setting(),
    )
    edges = data.resolution.value
    if not edges or len(edges) == 1 or not data.each_resolution:
        return (plain,)
    return tuple(plain._replace(resolution=data.resolution._replace(value=[edge])) for edge in edges)


def run_length(plan: Plan) -> tuple[int | None, float | None]:
    """Optimiser steps and epochs: the steps where they are known or limit the run, else the epochs."""
    steps = derived.total_steps(plan)
    if steps:
        return round(steps), None
    return (int(plan.steps.value), None) if plan.steps.value else (None, plan.epochs.value)
