"""`lora-doctor train CONFIG`: train a LoRA from any trainer's config, or from a few flags."""

from __future__ import annotations

from typing import Any

import click


@click.command()
@click.argument("config", required=False, type=click.Path())
@click.option("--data", type=click.Path(), metavar="DIR", help="Images to train on, captions beside them.")
@click.option(
    "--control", type=click.Path(), metavar="DIR", help="With --data: the images before the edit, by the same names."
)
@click.option("--trigger", metavar="WORD", help="The word that calls the LoRA.")
@click.option("--model", type=click.Path(), metavar="FOLDER", help="The base model in diffusers' layout.")
@click.option("--recipe", metavar="NAME", help="A published recipe: its values stand where nothing else is said.")
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Optimiser steps.")
@click.option("--save-every", type=click.IntRange(min=1), metavar="N", help="Steps between checkpoints.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), metavar="N", help="Seed of everything drawn at random.")
@click.option("--resolution", type=click.IntRange(min=16), metavar="N", help="Edge length to train at, pixels.")
@click.option("--output", type=click.Path(), metavar="RUN", help="The run folder.")
@click.option(
    "--num-processes", type=click.IntRange(min=1), metavar="N", help="Processes that train together, one per GPU."
)
@click.option(
    "--pipeline-stages",
    type=click.IntRange(min=1),
    metavar="N",
    help="Processes that hold consecutive blocks of one copy of the model, for models too large.",
)
@click.option("--stage", metavar="NAME", help="Of a config with stages, the one to train.")
@click.option("--all-stages", is_flag=True, help="Train all stages of the config, one after the other.")
@click.option("--resume", is_flag=True, help="Go on from the newest checkpoint of the run folder.")
@click.option("--dry-run", is_flag=True, help="Show what would be trained, with reasons, and stop.")
@click.option("--no-preflight", is_flag=True, help="Train in spite of what the linter finds.")
@click.option("--trainer", metavar="NAME", help="Read CONFIG as this trainer's.")
def train(**options: Any) -> int:
    """Train what CONFIG says: lora-doctor's own TOML, or the config or command line of another trainer.

    What can't be honoured is said, and what the linter calls an error stops the run before anything is loaded. Without
    CONFIG, --data and the other options serve. Exit code: 0 trained, 1 the linter found errors, 2 it could not be
    trained, 130 interrupted (the checkpoint is saved).
    """
    from lora_doctor.cli.training import Request, run

    return run(Request(**options))
