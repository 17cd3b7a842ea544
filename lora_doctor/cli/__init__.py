"""The command line: one module per command, imported when the command is called, and one boundary for errors.

A command's module has one public click command of the module's name, which does its imports inside; it may return an
exit code.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys

import click

from lora_doctor import __version__
from lora_doctor.source.document import SourceError

COMMANDS = {
    "lint": "find what will crash, be ignored or waste the run in training configs",
    "dataset": "look into every image and caption of a folder",
    "trigger": "judge a trigger word, or propose some",
    "diagnose": "say what is wrong with a training run, since when, and what to do",
    "calibrate": "fit the limits that diagnose judges by to runs you have judged yourself",
    "explain": "tell why a rule exists, what to do instead, and its sources",
    "rules": "list every rule",
    "init": "write a first config for your images: a cited recipe, for any trainer",
    "translate": "write a config for another trainer, and tell what can't be said there",
    "trainers": "compare the trainers: what each has, with sources",
    "plan": "show what a config means: every setting, written or defaulted",
    "train": "train a LoRA from any trainer's config, or from a few flags",
    "schema": "print the JSON Schema of lora-doctor's own config",
    "inspect": "say what a LoRA file is, where it loads, and how healthy it is",
    "convert": "write a LoRA with another program's names",
    "bake-alpha": "fold a LoRA's alpha into its weights",
    "resize": "lower a LoRA's rank",
    "merge": "add LoRAs up",
    "average": "average checkpoints of one run",
    "diff": "say what differs between two LoRAs, or two configs of any trainers",
    "metadata": "show, set or strip a LoRA's text entries",
    "demo": "see what it does: a dataset with defects, a config with traps and two trainings, on one page",
}
WITHIN = {"strip": "metadata strip", "set": "metadata set"}  # what people type for it
INTERRUPTED = 130  # 128 + SIGINT, as shells do


class _Lazy(click.Group):
    """A group that imports a command's module only when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        module = importlib.import_module(f"lora_doctor.cli.{name}")
        command: click.Command = getattr(module, name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] in WITHIN:
            raise click.UsageError(f"there is no command `{args[0]}`: it is `lora-doctor {WITHIN[args[0]]}`", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lora-doctor", message="%(prog)s %(version)s")
def group() -> None:
    """A training doctor and config linter for diffusion LoRAs."""


def main(args: list[str] | None = None) -> None:
    """Run a command and exit with its code: whatever goes wrong becomes one sentence."""
    gc.set_threshold(50_000)  # what is imported stays: looking through it for garbage costs a lint 3 of 80 ms
    sys.exit(run(args))


def run(args: list[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    for stream in (sys.stdout, sys.stderr):  # a file's name may hold bytes that are no text
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = group.main(args, prog_name="lora-doctor", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except (click.exceptions.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 2
    except click.ClickException as error:
        return _refuse(error.format_message())
    except SourceError as error:
        return _refuse(error.sentence)
    except Exception as error:  # a fault of ours
        if os.environ.get("LORA_DOCTOR_DEBUG"):
            raise
        return _refuse(f"internal error ({type(error).__name__}: {error}); please report it")


def _refuse(sentence: str) -> int:
    click.echo(f"lora-doctor: {' '.join(sentence.split())}", err=True)
    return 2
