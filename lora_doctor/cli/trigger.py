"""`lora-doctor trigger`: judge a trigger word, or propose some."""

from __future__ import annotations

import click

MARKS = {"good": "+", "doubtful": "!", "bad": "x", "unknown": "?"}
STYLES = {"good": "good", "doubtful": "warning", "bad": "error", "unknown": "note"}


@click.command()
@click.argument("word", required=False)
@click.option("--model", type=click.Path(exists=True, file_okay=False), help="The model's folder, for its tokenizers.")
@click.option("-n", "count", type=click.IntRange(1, 50), default=5, show_default=True, help="How many to propose.")
@click.option("--seed", type=int, help="Propose the same words every time.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def trigger(word: str | None, model: str | None, count: int, seed: int | None, as_json: bool) -> int:
    """Say whether WORD is fit to be a trigger, and why; without it, propose words that are.

    Exit code: 0 good or doubtful, 1 bad.
    """
    import json
    import sys
    from pathlib import Path

    from lora_doctor.captions.rarity import judge, propose
    from lora_doctor.cli.output import wants_colour
    from lora_doctor.report.terminal import paint, printable

    folder = Path(model) if model else None
    if word is not None and not word.strip():
        raise click.UsageError("the word is empty")
    words = [word.strip()] if word is not None else propose(count, folder, seed)
    judged = [judge(each, folder) for each in words]
    if as_json:
        listed = [
            {"word": each.word, "verdict": each.verdict, "remarks": [remark._asdict() for remark in each.remarks]}
            for each in judged
        ]
        click.echo(json.dumps(listed, indent=2, ensure_ascii=False))
        return int(any(each.verdict == "bad" for each in judged))
    colour = wants_colour(sys.stdout)
    for each in judged:
        name, verdict = paint(printable(each.word), "bold", colour), paint(each.verdict, STYLES[each.verdict], colour)
        click.echo(f"{name}: {verdict}", color=True)
        if word is not None:
            for remark in each.remarks:
                mark = paint(MARKS[remark.verdict], STYLES[remark.verdict], colour)
                click.echo(f"  {mark} {printable(remark.sentence)}", color=True)
    if word is None:
        unknown = [remark.sentence for remark in judged[0].remarks if remark.verdict == "unknown"] if judged else []
        for sentence in unknown:
            click.echo(f"  {paint('?', 'note', colour)} {sentence}", color=True)
        example = words[0] if words else "zwx"
        click.echo(f"use one together with the class, always in one spelling and place: `{example} ring`")
    elif judged[0].verdict != "good":
        better = propose(3, folder, seed)
        click.echo(f"  instead: {', '.join(better)}")
    return int(any(each.verdict == "bad" for each in judged))
