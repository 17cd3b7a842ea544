"""`lora-doctor dataset`: look into every image and caption of a folder, or of the folders a config names."""

from __future__ import annotations

from typing import Any

import click


class _Examine(click.Command):
    """`dataset DIR` examines, `dataset fix DIR` mends; a folder called `fix` is examined as `./fix`."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args[:1] == ["fix"]:
            return fix.make_context(f"{info_name} fix", args[1:], parent=parent, **extra)
        return super().make_context(info_name, args, parent=parent, **extra)


@click.command()
@click.argument("folder", type=click.Path())
@click.option("-o", "--output", required=True, type=click.Path(), metavar="OUT", help="The folder to make.")
@click.option("--caption-extension", metavar=".EXT", help="Give caption files this suffix: `.txt`.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def fix(**options: Any) -> int:
    """Write a corrected copy of a folder: rotation baked in, colours in sRGB, captions in UTF-8, exact copies left out.

    DIR itself is never touched. Exit code: 0 done, 2 not done.
    """
    from lora_doctor.cli.mending import Request, run

    return run(Request(**options))


@click.command(cls=_Examine)
@click.argument("folder", required=False, type=click.Path())
@click.option("--config", "config", type=click.Path(), metavar="FILE", help="The config that trains on it.")
@click.option("--resolution", type=click.IntRange(64, 16384), metavar="N", help="Edge length in pixels (1024).")
@click.option("--trainer", metavar="NAME", help="The trainer that will read it.")
@click.option("--model", metavar="NAME", help="The base model: a file, a repository, or a family such as sdxl.")
@click.option(
    "--purpose",
    type=click.Choice(["subject", "style", "domain", "complex-domain", "edit"]),
    help="What the LoRA is for.",
)
@click.option("--trigger", metavar="WORD", help="The word that calls the LoRA.")
@click.option("--batch", type=click.IntRange(1), metavar="N", help="Images per device and step.")
@click.option("--accumulation", type=click.IntRange(1), metavar="N", help="Micro-batches per optimiser step.")
@click.option("--masks", type=click.Path(), metavar="DIR", help="Folder of masks with the images' names.")
@click.option("--control", type=click.Path(), metavar="DIR", help="Folder of control images (before the edit).")
@click.option("--json", "as_json", is_flag=True, help="Everything that was measured, for programs.")
@click.option(
    "--report", type=click.Path(dir_okay=False), metavar="FILE", help="Write a page with pictures to this file."
)
@click.option("-o", "--output", type=click.Path(), help="Write the report to this file.")
@click.option("--select", multiple=True, metavar="RULES", help="Only these rules, topics or levels.")
@click.option("--ignore", multiple=True, metavar="RULES", help="Not these.")
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Processes that look at images (all cores).")
@click.option("--no-cache", is_flag=True, help="Measure everything anew, and keep nothing.")
def dataset(**options: Any) -> int:
    """Look into every image and caption of a folder: what is broken, repeated, cropped, blurred or never trained.

    `lora-doctor dataset fix DIR --output OUT` writes a corrected copy.

    Exit code: 0 nothing or notes only, 1 warnings or errors, 2 lora-doctor could not work.
    """
    from lora_doctor.cli.examining import Request, run

    return run(Request(**options))
