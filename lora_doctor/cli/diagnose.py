"""`lora-doctor diagnose RUN_DIR`: symptoms of a finished or running training, with evidence, cause and fix."""

from __future__ import annotations

from typing import Any

import click


@click.command()
@click.argument("run_dir", type=click.Path())
@click.option("--config", type=click.Path(), metavar="FILE", help="The config it was trained with (else: beside it).")
@click.option("--dataset", type=click.Path(), metavar="DIR", help="The training images (else: as the config says).")
@click.option(
    "--purpose",
    type=click.Choice(["subject", "style", "domain", "complex-domain", "edit"]),
    help="What the LoRA is for; limits depend on it.",
)
@click.option(
    "--base",
    type=click.Path(),
    is_flag=False,
    flag_value="",
    metavar="[FOLDER]",
    help="Ask the base model itself about each checkpoint; without a FOLDER the one that the config names.",
)
@click.option("--held-out", type=click.Path(), metavar="DIR", help="With --base: images that were not trained on.")
@click.option("--budget", type=click.FloatRange(min=0), metavar="MINUTES", help="With --base: how long it may ask.")
@click.option("--dino", type=click.Path(), metavar="FOLDER", help="A DINO that you have: the subject, variety.")
@click.option("--clip", type=click.Path(), metavar="FOLDER", help="A CLIP or SigLIP: whether prompts are followed.")
@click.option("--sscd", type=click.Path(), metavar="FILE", help="SSCD (.torchscript.pt): copies of training images.")
@click.option(
    "--detector",
    type=click.Path(),
    multiple=True,
    metavar="FOLDER",
    help="A detector of bodies or hands, and/or a ViTPose: anatomy.",
)
@click.option("--json", "as_json", is_flag=True, help="Everything that was measured and judged, for programs.")
@click.option("--report", type=click.Path(), metavar="FILE", help="Write a page for people: one HTML file.")
@click.option("--plots", type=click.Path(), metavar="DIR", help="Write static plots (PNG) into this folder.")
@click.option("--watch", is_flag=True, help="Judge a run while it trains, until it ends or it is time to stop.")
@click.option(
    "--every", type=click.FloatRange(min=0.1), default=15.0, metavar="SECONDS", help="Between two looks [15]."
)
@click.option("--on-stop", metavar="COMMAND", help="With --watch: run this when it is time to stop.")
@click.option(
    "--idle", type=click.FloatRange(min=0.01), metavar="MINUTES", help="With --watch: end if nothing changes."
)
@click.option("-o", "--output", type=click.Path(), help="Write the result to this file.")
@click.option("--select", multiple=True, metavar="RULES", help="Only these symptoms or levels.")
@click.option("--ignore", multiple=True, metavar="RULES", help="Not these.")
@click.option("--no-cache", is_flag=True, help="Measure everything anew, and keep nothing.")
def diagnose(**options: Any) -> int:
    """Say what is wrong with a training run, of any trainer: symptoms, evidence, since when, and the fix.

    RUN_DIR is the folder with checkpoints, samples and logs. Only files are read, nothing is fetched or changed.
    With --base the denoiser is asked too: what it predicts with each checkpoint and without, on the same noise.
    --dino, --clip, --sscd and --detector name encoders on this machine that look at the samples too.

    --watch ends with exit code 1 when a symptom that is an error is sure, or the usable checkpoints are over; COMMAND
    then finds LORA_DOCTOR_RUN, _REASON, _STEP and _KEEP (the checkpoint to keep) in its environment.

    Exit code: 0 no symptom found, 1 symptoms, 2 lora-doctor could not work.
    """
    from lora_doctor.cli.diagnosing import Request, run

    return run(Request(**options))
