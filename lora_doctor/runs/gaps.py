"""What a run folder lacks: what it would have told, and how to have it next time in the trainer's own words."""

from __future__ import annotations

from collections.abc import Iterator

from lora_doctor.dialects import all_dialects
from lora_doctor.runs.facts import Gap, Run
from lora_doctor.runs.roles import HELD_OUT, curve_of

FEW = 3  # checkpoints below which nothing can be said about when something began


def gaps_of(run: Run) -> tuple[Gap, ...]:
    """In the order of what they cost."""
    return (*_of_images(run), *_of_weights(run), *_of_logs(run))


def key_of(run: Run, concept: str, otherwise: str) -> str:
    """The trainer's own key for a field of the plan, in backticks; other words where it has none."""
    for dialect in all_dialects():
        if run.trainer == dialect.TRAINER and concept in dialect.CONCEPTS:
            return f"`{dialect.CONCEPTS[concept]}`"
    return otherwise


def _of_images(run: Run) -> Iterator[Gap]:
    if not run.samples:
        yield Gap(
            "sample images",
            "copies of training images, colours, prompts that are ignored, artefacts",
            {
                "diffusion-pipe": "it makes none: sample from the checkpoints with fixed prompts and seeds",
                "diffusers": "its own lie tiled in the event files, which can't be told apart: sample the checkpoints",
            }.get(run.trainer, f"set {key_of(run, 'validation.prompts', 'sample prompts')}"),
        )
    elif run.steps and not any(each.step == 0 for each in run.samples):
        yield Gap(
            "samples of step 0 (the base model)",
            "what the LoRA changed, as against what the base does by itself",
            {
                "sd-scripts": "set `sample_at_first`",
                "kohya_ss": "set `sample_at_first`",
                "musubi-tuner": "set `sample_at_first`",
                "OneTrainer": "sample once before training begins",
            }.get(run.trainer, "sample once at strength 0 with the same prompts and seeds"),
        )
    if run.samples and not any(each.prompt for each in run.samples):
        yield Gap("the samples' prompts", "trigger leakage and forgotten knowledge", "give the config with --config")
    if run.plan is None or not run.plan.training:
        yield Gap("the config", "planned steps, rates, trigger, training images", "give it with --config")
    if not training_images(run):
        yield Gap("the training images", "whether samples copy them; which colours are meant", "give --dataset DIR")


def training_images(run: Run) -> bool:
    """Whether a folder of training images is known and here."""
    return run.plan is not None and any(data.listing and data.listing.images for data in run.plan.datasets)


def _of_weights(run: Run) -> Iterator[Gap]:
    if not run.checkpoints:
        yield Gap("checkpoints", "growth, dead or broken layers, stalled weights", "keep the saved LoRA files")
    elif len(run.checkpoints) < FEW:
        key = key_of(run, "saving.every_steps", "the interval of checkpoints")
        what = f"more than {len(run.checkpoints)} checkpoint{'s' * (len(run.checkpoints) > 1)}"
        yield Gap(what, "when something began, and which checkpoint to keep", f"lower {key} to get 10 to 20")
    elif all(each.step is None for each in run.checkpoints):
        yield Gap("the checkpoints' steps", "when something began", "keep the trainer's file names")


def _of_logs(run: Run) -> Iterator[Gap]:
    if not run.curves:
        yield Gap("logs", "breaks on resuming, losses that are no numbers, rates as they were", _log_key(run))
    if curve_of(run.curves, HELD_OUT) is None:
        yield Gap(
            "a loss on held-out images",
            "memorising as against learning; the raw training loss can't tell, random timesteps drown it",
            "hold two or more images out of training",
        )


def _log_key(run: Run) -> str:
    return {
        "ai-toolkit": "set `logging.use_ui_logger`",
        "sd-scripts": "set `logging_dir`",
        "kohya_ss": "set `logging_dir`",
        "musubi-tuner": "set `logging_dir`",
        "SimpleTuner": 'set `report_to` to "simpletuner"',
        "OneTrainer": "set `tensorboard`",
    }.get(run.trainer, "keep the trainer's logs in the run folder")
