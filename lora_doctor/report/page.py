"""The report on a data set that people look at: one HTML file that needs nothing else and asks nobody for anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from lora_doctor import __version__
from lora_doctor.captions.facts import Captions
from lora_doctor.dataset.imageset import ImageSet
from lora_doctor.report import many
from lora_doctor.report.charts import ring
from lora_doctor.report.document import document, plain
from lora_doctor.result import Found
from lora_doctor.rule import LEVELS

VERDICTS = {"error": "Not ready: the run would stop, or part of the set would be lost",
            "warning": "Needs attention before a long run", "good": "Ready"}  # fmt: skip


class Shown(NamedTuple):
    """One folder: what was measured, what was found, and a small picture of each image that is shown."""

    images: ImageSet
    captions: Captions | None
    found: tuple[Found, ...]
    pictures: Mapping[str, str]


class Page(NamedTuple):
    """What the page shows; `general` are findings about the plan and not about one folder."""

    title: str
    sets: tuple[Shown, ...]
    general: tuple[Found, ...] = ()
    unmeasured: tuple[str, ...] = ()


def render_page(page: Page) -> str:
    """The whole file."""
    from lora_doctor.report import sections

    found = [*page.general, *(each for shown in page.sets for each in shown.found)]
    body = [_top(page, found), sections.to_mend(found, page.sets)]
    for number, shown in enumerate(page.sets):
        body += sections.of_set(shown, number, alone=len(page.sets) == 1)
    return document(page.title, _links(page), body, _foot(page))


def _links(page: Page) -> list[tuple[str, str]]:
    links = [("glance", "At a glance"), ("mend", "To mend"), ("images-0", "Images")]
    if any(shown.images.copies for shown in page.sets):
        links.append((f"copies-{next(i for i, s in enumerate(page.sets) if s.images.copies)}", "Copies"))
    if any(shown.images.fates for shown in page.sets):
        links.append((f"buckets-{next(i for i, s in enumerate(page.sets) if s.images.fates)}", "Crops"))
    if any(shown.captions for shown in page.sets):
        links.append((f"captions-{next(i for i, s in enumerate(page.sets) if s.captions)}", "Captions"))
    return links


def _top(page: Page, found: list[Found]) -> str:
    levels = Counter(each.level for each in found)
    worst = next((level for level in LEVELS[:2] if levels[level]), "good")
    whole = sum(len(shown.images.images) for shown in page.sets)
    blamed = sum(len(blamed_images(shown)) for shown in page.sets)
    share = (whole - blamed) / whole if whole else 0.0
    tiles = [("images", f"{whole:,}"), *_captioned(page), *_varied(page)]
    tiles += [(level + "s", f"{levels[level]:,}") for level in LEVELS]
    listed = "".join(f"<div><dt>{name}</dt><dd>{plain(told)}</dd></div>" for name, told in tiles)
    trainers = sorted({shown.images.plan.trainer for shown in page.sets if shown.images.plan.trainer})
    purpose = next((str(s.images.plan.purpose.value) for s in page.sets if s.images.plan.purpose.value), "")
    parts = [*(f"as {name} reads it" for name in trainers), *([f"for a {purpose}"] if purpose else [])]
    told = " &middot; ".join(plain(part) for part in parts)
    return (
        f'<header id="glance"><h1>{plain(page.title)}</h1><p class="soft">{told or "no trainer was named"}</p>'
        f'<div class="card glance">{ring(share, f"{whole - blamed} / {whole}", "without remark", "good")}'
        f'<div><p class="verdict {worst}">{VERDICTS[worst]}</p>'
        f'<p class="soft small">Images that no error or warning speaks of, and all there are. Notes are advice and do '
        f'not count.</p><dl class="tiles">{listed}</dl></div></div></header>'
    )


def _captioned(page: Page) -> list[tuple[str, str]]:
    """How many images have a caption."""
    known = [shown.captions for shown in page.sets if shown.captions is not None]
    if not known:
        return [("captions", "none read")]
    return [("captions", f"{sum(len(captions.filled) for captions in known):,}")]


def _varied(page: Page) -> list[tuple[str, str]]:
    if len(page.sets) != 1 or page.sets[0].images.variety is None:
        return []
    return [("as varied as", many(round(page.sets[0].images.variety.overall), "image"))]


def blamed_images(shown: Shown) -> set[str]:
    """The images that an error or a warning speaks of."""
    names = {image.name for image in shown.images.images}
    return names & {name for each in shown.found if each.level != "note" for name in each.finding.about}


def _foot(page: Page) -> str:
    gaps = "".join(f"<p>Not measured: {plain(gap)}.</p>" for gap in page.unmeasured)
    return (
        f"<footer>{gaps}<p>lora-doctor {__version__}. This page is one file: the small pictures are in it, nothing is "
        "fetched, and no image was changed.</p></footer>"
    )
