"""The contact sheet: prompts by steps, the nearest training image beside each sample that shows one; and strengths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from urllib.parse import quote

from lora_doctor.report.document import plain
from lora_doctor.report.run.facts import RunPage, Slot

HOW = {
    "whole": "shows {} again",
    "mirrored": "shows {}, mirrored",
    "cropped": "shows a part of {}",
    "composition": "has the composition of {}",
}


def contact_sheet(page: RunPage) -> str:
    """The section; says what is missing where there are no samples."""
    if not page.sheet:
        return ""
    copied = Counter(slot for (slot, _), name in page.sheet.items() if name in page.copies)
    slots = sorted(dict.fromkeys(slot for slot, _ in page.sheet), key=lambda slot: -copied[slot])
    window = page.course.window
    head = "".join(_step_head(page, step, window.pick if window else None) for step in page.steps)
    body = "".join(_row(page, slot) for slot in slots)
    marked = sum(name in page.copies for name in page.sheet.values())
    told = f"{marked} of the samples below show a training image; it stands in their corner. " if marked else ""
    if not marked and page.nearest:
        told = "None of the samples below shows a training image. "
    more = f"{page.left_out} more prompts are not shown. " if page.left_out else ""
    touch = " Point at a picture, or tap it, for its nearest training image." if page.training else ""
    return (
        f'<section id="samples"><h2>Samples</h2><p class="soft">{told}{more}Read a row from left to right: the same '
        f"prompt and seed, as training went on.{touch}</p>{_table(head, body)}</section>"
    )


def _table(head: str, body: str) -> str:
    return (
        '<div class="card scroll flush"><table class="contact"><thead><tr><th scope="col">prompt</th>'
        f"{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _step_head(page: RunPage, step: int, pick: int | None) -> str:
    base = " base" if step == 0 else ""
    kept = ' <span class="tag good">keep</span>' if pick == step else ""
    word = "base model" if step == 0 else f"{page.run.axis} {step:,}"
    return f'<th scope="col" class="step{base}">{word}{kept}</th>'


def _row(page: RunPage, slot: Slot) -> str:
    cells = "".join(_cell(page, page.sheet.get((slot, step))) for step in page.steps)
    return f'<tr><th scope="row">{_prompt(page, slot)}</th>{cells}</tr>'


def _prompt(page: RunPage, slot: Slot) -> str:
    kind = f'<span class="tag note">{plain(slot.kind)}</span>' if slot.kind else ""
    seed = f'<span class="soft small">seed {slot.seed}</span>' if slot.seed is not None else ""
    words = f'<div class="prompt" title="{plain(slot.prompt)}">{plain(slot.prompt)}</div>'
    return f'{words}<div class="chips">{kind}{seed}</div>{_control(page, slot)}'


def _control(page: RunPage, slot: Slot) -> str:
    """The images an edit is made from."""
    shown = [(name, page.pictures[name]) for name in slot.control if page.pictures.get(name)]
    return "".join(
        f'<figure class="control"><img src="{source}" alt="{plain(name)}" loading="lazy">'
        '<figcaption class="soft small">made from</figcaption></figure>'
        for name, source in shown
    )


def address(name: str) -> str:
    """A sample's place on the page."""
    return f"sample-{quote(name, safe='')}"


def _cell(page: RunPage, name: str | None, *, placed: bool = True) -> str:
    source = page.pictures.get(name or "")
    if name is None:
        return '<td class="soft small">&ndash;</td>'
    if not source:
        return f'<td class="soft small" title="{plain(name)}">no whole picture</td>'
    match, near = page.copies.get(name), page.nearest.get(name)
    picture = page.training.get(near.picture, "") if near else ""
    told = HOW[match.how].format(match.picture) if match else ""
    if not told and near:
        ratio = f", {near.ratio:.1f} times as far as training images are from one another" if near.ratio else ""
        told = f"nearest training image: {near.picture}{ratio}"
    inset = ""
    if picture and near:
        inset = f'<img class="inset" src="{picture}" alt="{plain(near.picture)}" loading="lazy">'
    kind = " copied" if match else ""
    place = f' id="{address(name)}"' if placed else ""  # a sample of the sweep may stand on the sheet too
    note = f'<span class="told small">{plain(told)}</span>' if match else ""
    return (
        f'<td><figure class="cell{kind}" tabindex="0"{place} title="{plain(f"{name}: {told}".rstrip(": "))}">'
        f'<img src="{source}" alt="{plain(name)}" loading="lazy">{inset}{note}</figure></td>'
    )


def strength_sweep(page: RunPage) -> str:
    """The section; empty where the run has no samples at several strengths."""
    if len(page.strengths) < 2:
        return ""
    slots = list(dict.fromkeys(slot for slot, _ in page.sweep))
    told = _broken_above(page)
    head = "".join(f'<th scope="col" class="step">{strength:g}</th>' for strength in page.strengths)
    rows = "".join(
        f'<tr><th scope="row">{_prompt(page, slot)}</th>{_swept(page, slot, page.strengths)}</tr>' for slot in slots
    )
    at = f"{page.run.axis} {page.swept_at:,}" if page.swept_at is not None else "the end"
    return (
        f'<section id="strengths"><h2>How strong to use it</h2><p class="soft">{told}The same prompts with the LoRA of '
        f"{at} turned down and up: use the strength that looks right. Pictures that break just above 1 mean that the "
        f"training went too far.</p>{_table(head, rows)}</section>"
    )


def _broken_above(page: RunPage) -> str:
    """Where artefacts begin; what lies above the highest strength sampled is not known."""
    knee = page.course.signals.get("strength_knee")
    if knee is None or knee.baseline is None:
        return ""
    if knee.values[-1] < knee.baseline:
        return f"Artefacts come above a strength of {knee.values[-1]:g}. "
    return f"No artefacts were measured up to a strength of {knee.baseline:g}, the highest sampled. "


def _swept(page: RunPage, slot: Slot, strengths: Sequence[float]) -> str:
    return "".join(_cell(page, page.sweep.get((slot, strength)), placed=False) for strength in strengths)
