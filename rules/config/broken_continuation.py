import re
from collections.abc import Iterator
from itertools import pairwise

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, Fix, Place, rule
from lora_doctor.source.document import Command, Document, Span
from lora_doctor.source.edit import Edit

MARKS = {"ps1": "`", "bat": "^", "cmd": "^"}


@rule(level="error", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Options that begin a new command and never reach the training script.

    Why: a command goes on only where the backslash is the very last character of a line and the next line is no
    comment and not empty. Anything else ends it there: the run starts without the options that follow, with the
    defaults in their place, and the shell's complaint (`--lr_scheduler: command not found`) comes after the run.
    Instead: end every line but the last with the backslash, and keep comments above the command. cmd uses `^` and
    PowerShell a backtick, by the same rule.
    Sources: POSIX Shell Command Language, 2.2.1 and 2.3 (escape character, comments); run with bash 5.2

    ```shell diffusers flagged
    accelerate launch train_dreambooth_lora_flux2_klein.py \
      --pretrained_model_name_or_path=black-forest-labs/FLUX.2-klein-base-4B \
      --text_encoder_out_layers 9 18 27 \
      --instance_data_dir=dog \
      --instance_prompt="a photo of zwx dog" \
      --rank=16 \
      # --rank=32 --lora_alpha=32 \
      --lora_alpha=16 \
      --learning_rate=2e-4
    ```
    ```shell diffusers clean
    # --rank=32 --lora_alpha=32
    accelerate launch train_dreambooth_lora_flux2_klein.py \
      --pretrained_model_name_or_path=black-forest-labs/FLUX.2-klein-base-4B \
      --text_encoder_out_layers 9 18 27 \
      --instance_data_dir=dog \
      --instance_prompt="a photo of zwx dog" \
      --rank=16 \
      --lora_alpha=16 \
      --learning_rate=2e-4
    ```
    """
    document = plan.config.document
    broken = list(_orphans(document)) if document.syntax == "shell" else []
    for before, orphans in broken:
        lost = [word.text for orphan in orphans for word in orphan.words if re.match(r"--\w", word.text)]
        rest = f" and {len(lost) - 1} more begin" if len(lost) > 1 else " begins"
        yield Finding(
            Place(document, orphans[0].words[0].span),
            f"`{lost[0].partition('=')[0]}`{rest} a new command: {_cause(document, before, orphans[0])}, so the "
            "script never gets them",
            "continue the line above",
            lost[0].partition("=")[0],
            fix=_fix(document, before, orphans),
        )
    if not broken:
        yield from _escaped_blanks(plan)


def _orphans(document: Document) -> Iterator[tuple[Command, list[Command]]]:
    """Each command that is cut off, with the pieces that follow it."""
    commands = sorted(document.commands, key=lambda command: command.span)
    run: tuple[Command, list[Command]] | None = None
    for before, command in pairwise(commands):
        if re.match(r"--[A-Za-z]", command.words[0].text) and command.words[0].literal:
            run = (before, []) if run is None else run
            run[1].append(command)
        elif run is not None:
            yield run
            run = None
    if run is not None:
        yield run


def _gap(document: Document, before: Command, after: Command) -> tuple[Span, str]:
    last = before.words[-1]  # an escaped blank at the end of the line is what broke it
    end = last.span.start if last.text.isspace() else before.span.end
    end = len(document.text[:end].rstrip(b" \t"))
    place = Span(end, after.words[0].span.start)
    return place, document.text[place.start : place.end].decode("utf-8", "replace")


def _mark(document: Document) -> str:
    return MARKS.get(document.name.lower().rpartition(".")[2], "\\")


def _cause(document: Document, before: Command, after: Command) -> str:
    gap, mark = _gap(document, before, after)[1], re.escape(_mark(document))
    line = document.position(before.span.end).line
    if re.search(r"^[ \t]*(#|rem |::)", gap, re.M | re.I):
        return f"the comment behind line {line} ends the one before"
    if re.search(rf"{mark}[ \t]+\r?$", gap, re.M):
        return f"a blank stands behind the `{_mark(document)}` of line {line}"
    if re.search(rf"{mark}\r?\n", gap):
        return f"the empty line behind line {line} ends the one before"
    return f"line {line} does not end in `{_mark(document)}`"


def _fix(document: Document, before: Command, orphans: list[Command]) -> Fix | None:
    """Join the pieces again; a comment between them would be lost, so that is no safe fix."""
    edits, safe = [], True
    for one, two in pairwise([before, *orphans]):
        place, gap = _gap(document, one, two)
        bare = re.sub(r"(?m)^[ \t]*#.*$", "", gap)
        if bare.strip(" \t\r\n\\`^"):
            return None
        safe = safe and bare == gap
        line_break = "\r\n" if "\r\n" in gap else "\n"
        edits.append(Edit(place, f" {_mark(document)}{line_break}{gap.rpartition(chr(10))[2]}"))
    return Fix("continue the command", document, tuple(edits), safe)


def _escaped_blanks(plan: Plan) -> Iterator[Finding]:
    r"""`\ ` in the middle of a line: the blank belongs to a word then, and argparse stops at it."""
    for config in plan.configs:
        for refusal in config.refused:
            place, text = refusal.setting.place, refusal.setting.value or ""
            if place is None or config.lenient or not text.startswith((" ", "\t")):
                continue
            start = place.span.start
            if config.document.text[start : start + 1] == b"\\":
                edit = Edit(Span(start, start + 1), "")
                yield Finding(
                    place,
                    "a backslash with a blank behind it makes the blank a word of its own: argparse stops at start",
                    "remove the backslash",
                    fix=Fix("remove the backslash", config.document, (edit,), True),
                )
