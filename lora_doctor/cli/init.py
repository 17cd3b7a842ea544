"""`lora-doctor init`: a first config for a folder of images, with a cited recipe, for any trainer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lora_doctor.cli.writing import file_name, loss_lines, place_of, write_files
from lora_doctor.source.document import SourceError

if TYPE_CHECKING:
    from lora_doctor.begin import Answers, Begun
    from lora_doctor.translate import Translation

PURPOSES = ("subject", "style", "domain", "complex-domain")


@click.command()
@click.option("--model", help="klein-4b, klein-9b, sana, sdxl, or a model file, folder or repository.")
@click.option("--purpose", type=click.Choice(PURPOSES), help="What the LoRA is for.")
@click.option("--images", type=click.Path(file_okay=False), help="Folder of the images, captions beside them.")
@click.option("--trainer", help="Who trains it: lora-doctor, ai-toolkit, diffusion-pipe, sd-scripts...")
@click.option("--trigger", help="The word that calls the LoRA.")
@click.option("--recipe", default="", help="A published recipe by name, instead of the usual one.")
@click.option("--output", "-o", help="Folder of the new files, or the main file's path; here by default.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
def init(
    model: str | None,
    purpose: str | None,
    images: str | None,
    trainer: str | None,
    trigger: str | None,
    recipe: str,
    output: str | None,
    overwrite: bool,
) -> int:
    """Write a first config: a published recipe, its length worked out from your images, every value with its reason.

    On a terminal, what no option says is asked. Exits 1 where `lint` finds something in the images to see to first.
    """
    from lora_doctor.begin import begin
    from lora_doctor.translate import translate

    answers = _ask(model, purpose, images, trainer, trigger, recipe)
    begun = begin(answers)
    stem = file_name(answers.trigger or Path(answers.images).absolute().name)
    folder, stem = place_of(output, stem) if output else (Path(), stem)
    head = f"written by lora-doctor init for {answers.purpose} training on {answers.model}; comments give the reasons"
    made = translate(begun.plan, answers.trainer, folder, stem, reasons=begun.reasons, head=head)
    write_files(folder, made.files, overwrite=overwrite)
    return _report(folder, made, begun, answers)


def _ask(
    model: str | None, purpose: str | None, images: str | None, trainer: str | None, trigger: str | None, recipe: str
) -> Answers:
    """The answers, asked for on a terminal where no option gives them."""
    from lora_doctor.begin import MODELS, Answers
    from lora_doctor.translate import target, targets

    wanted = {"--model": model, "--images": images, "--trainer": trainer}
    missing = [option for option, value in wanted.items() if value is None]
    if missing and not sys.stdin.isatty():
        raise SourceError(f"give {', '.join(missing)}: there is no terminal to ask on")
    asked = bool(missing)
    model = model or click.prompt(f"base model ({', '.join(MODELS)}, or a path)", default="klein-4b")
    if purpose is None:
        purpose = click.prompt("what is it for", type=click.Choice(PURPOSES), default="subject") if asked else "subject"
    images = images or str(click.prompt("folder of the images", type=click.Path(exists=True, file_okay=False)))
    trainer = trainer or click.prompt(f"trainer ({', '.join(targets())})", default="lora-doctor")
    if trigger is None:
        trigger = click.prompt("trigger word (empty for none)", default="", show_default=False) if asked else ""
    return Answers(model, images, purpose, trigger.strip(), recipe, trainer=target(trainer))


def _report(folder: Path, made: Translation, begun: Begun, answers: Answers) -> int:
    """What was written and why, and what lint says to it."""
    from lora_doctor.lint import lint_file
    from lora_doctor.report.terminal import printable

    for file in (each for each in made.files if each.source is None):
        click.echo(f"written: {folder / file.name}")
    if begun.reasons.get("steps"):
        click.echo(f"{begun.plan.steps.value} steps: {begun.reasons['steps']}")
    for remark in begun.remarks:
        click.echo(f"note: {printable(remark)}")
    lines = loss_lines(made)
    if lines:
        click.echo(f"{made.trainer} can't be told:")
        for line in lines:
            click.echo(f"  {line}")
    result = lint_file(folder / made.files[0].name)
    serious = [found for found in result.found if found.level != "note"]
    for found in serious:
        click.echo(f"{found.level}: {printable(found.finding.sentence)} [{found.rule.id}]")
    if not serious:
        click.echo(f"lint finds nothing; next: lora-doctor lint {folder / made.files[0].name}")
    return int(bool(serious))
