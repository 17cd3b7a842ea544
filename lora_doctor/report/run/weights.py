"""The heat map: how much each block of the model is changed, at each checkpoint."""

from __future__ import annotations

import math

from lora_doctor.report.document import plain
from lora_doctor.report.run.facts import RunPage

COLUMNS = 24
ROWS = 90


def heat_map(page: RunPage) -> str:
    """The section; empty where no checkpoint's weights could be read."""
    columns = blocks_by_step(page)
    if not columns:
        return ""
    rows = list(dict.fromkeys(block for _, blocks in columns for block in blocks))[:ROWS]
    most = max((v for _, blocks in columns for v in blocks.values() if math.isfinite(v)), default=0.0)
    head = "".join(f'<th scope="col">{plain(name)}</th>' for name, _ in columns)
    body = "".join(
        f'<tr><th scope="row">{plain(block)}</th>'
        + "".join(_cell(block, name, blocks.get(block), most) for name, blocks in columns)
        + "</tr>"
        for block in rows
    )
    word = page.run.axis
    return (
        '<section id="weights"><h2>Where the weights changed</h2><p class="soft">Each row is a block of the model, '
        "each column a checkpoint: the darker, the larger the change that the LoRA makes there (Frobenius norm of all "
        f"its layers together, scale included; the darkest is {most:.3g}). A hollow cell is a block that changes "
        "nothing, a red one holds numbers that are none.</p>"
        f'<div class="card scroll"><table class="heat"><thead><tr><th scope="col">{word}</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div></section>"
    )


def blocks_by_step(page: RunPage) -> list[tuple[str, dict[str, float]]]:
    """Norms by block of each checkpoint that could be read, evenly thinned out."""
    known = [
        (f"{each.step:,}" if each.step is not None else "end", weighed.health.blocks())
        for each, weighed in zip(page.run.checkpoints, page.course.weighed)
        if weighed is not None and weighed.health.layers
    ]
    if len(known) <= COLUMNS:
        return known
    return [known[i * (len(known) - 1) // (COLUMNS - 1)] for i in range(COLUMNS)]


def _cell(block: str, name: str, value: float | None, most: float) -> str:
    if value is None:
        return "<td></td>"
    if not math.isfinite(value):
        return f'<td class="broken" title="{plain(block)}, {name}: no number"></td>'
    share = value / most if most else 0.0
    kind = ' class="dead"' if value == 0 else ""
    return f'<td{kind} style="--heat:{share:.3f}" title="{plain(block)}, {name}: {value:.3g}"></td>'
