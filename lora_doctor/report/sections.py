"""The parts of the page: what to mend, the contact sheet, copies, crops, captions."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

from lora_doctor.captions.facts import Captions
from lora_doctor.captions.lexicon import EXAMPLES, KINDS, coverage
from lora_doctor.captions.tokens import about
from lora_doctor.captions.words import constants, frequency, words
from lora_doctor.dataset.facts import ImageFacts
from lora_doctor.dataset.imageset import Fate, Placed, as_read
from lora_doctor.report import many
from lora_doctor.report.charts import Bar, bars, histogram
from lora_doctor.report.document import lines, marked, plain
from lora_doctor.report.page import Shown, blamed_images
from lora_doctor.result import Found
from lora_doctor.rule import LEVELS

STRIP = 8  # pictures beside a finding
PREVIEWS = 6  # crops shown of a bucket
BUCKETS = 12
FREQUENT = 12  # words in the chart
COPIES = 40  # groups


def to_mend(found: Sequence[Found], sets: Sequence[Shown]) -> str:
    """Every finding, worst first, and a list to copy."""
    if not found:
        return '<section id="mend"><h2>To mend</h2><p class="soft">Nothing was found.</p></section>'
    ordered = sorted(found, key=lambda each: LEVELS.index(each.level))
    items = "".join(_item(each, sets) for each in ordered)
    copied = "\n".join(_listed(each) for each in ordered)
    return (
        f'<section id="mend"><div class="bar-line"><h2>To mend</h2><button type="button" data-copies="list">copy as a '
        f'list</button></div><textarea id="list" hidden readonly rows="8">{lines(copied)}</textarea>'
        f'<ul class="todo">{items}</ul></section>'
    )


def _listed(each: Found) -> str:
    files = f" [{', '.join(each.finding.about)}]" if each.finding.about else ""
    return f"- [ ] {each.level}: {each.finding.sentence} ({each.rule.id}){files}"


def _item(each: Found, sets: Sequence[Shown]) -> str:
    action = f'<p class="do">{marked(each.finding.action)}</p>' if each.finding.action else ""
    return (
        f'<li class="card"><div><span class="tag {each.level}">{each.level}</span></div><div><p>'
        f"{marked(each.finding.message)}</p>{action}{_strip(each, sets)}"
        f'<p class="soft small">{marked(each.rule.title)} &middot; <code>lora-doctor explain {each.rule.id}</code></p>'
        "</div></li>"
    )


def _strip(each: Found, sets: Sequence[Shown]) -> str:
    """The first pictures it speaks of, each a link to the image on the sheet."""
    number, shown = next(((i, s) for i, s in enumerate(sets) if each in s.found), (0, None))
    if shown is None:
        return ""
    seen = [name for name in each.finding.about if name in shown.pictures][:STRIP]
    if not seen:
        return ""
    links = (f'<a href="#{anchor(number, name)}" title="{plain(name)}">{_image(shown, name)}</a>' for name in seen)
    return f'<div class="strip">{"".join(links)}</div>'


def anchor(number: int, name: str) -> str:
    """The address of an image on the page."""
    return f"image-{number}-{quote(os.fsencode(name), safe='')}"


def _image(shown: Shown, name: str, words_for: str = "") -> str:
    source = shown.pictures.get(name)
    return f'<img src="{source}" alt="{plain(words_for or name)}" loading="lazy">' if source else ""


def of_set(shown: Shown, number: int, *, alone: bool) -> Iterator[str]:
    """The parts about one folder."""
    of = "" if alone else f" in {plain(shown.images.data.folder.value)}"
    yield _sheet(shown, number, of)
    if shown.images.copies:
        yield _copies(shown, number, of)
    if shown.images.fates:
        yield _crops(shown, number, of)
    if shown.captions is not None and shown.captions.filled:
        yield _captions(shown.captions, number, of)


def _sheet(shown: Shown, number: int, of: str) -> str:
    reasons = _reasons(shown)
    rank = {level: i for i, level in enumerate(LEVELS)}
    worst = {name: min(rank[each.level] for each in own) for name, own in reasons.items()}
    blame = {name: (worst[name], -len(own)) for name, own in reasons.items()}
    images = sorted(shown.images.images, key=lambda image: blame.get(image.name, (9, 0)))
    drawn = [image for image in images if image.name in shown.pictures or image.name in reasons]
    texts = {e.image: e.text for e in shown.captions.entries} if shown.captions is not None else {}
    cards = "".join(_card(shown, number, image, reasons.get(image.name, []), texts.get(image.name)) for image in drawn)
    clean = len(shown.images.images) - len(blamed_images(shown))
    left = len(shown.images.images) - len(drawn)
    more = f" {left:,} images without remark are not shown." if left else ""
    levels = [("all", "all"), *((level, f"{level}s") for level in LEVELS), ("clean", "without remark")]
    there = {LEVELS[each] for each in worst.values()} | ({"clean"} if clean else set()) | {"all"}
    buttons = "".join(
        f'<button type="button" data-level="{level}" aria-pressed="{str(level == "all").lower()}">{name}</button>'
        for level, name in levels
        if level in there
    )
    return (
        f'<section id="images-{number}"><h2>Images{of}</h2><p class="soft">The worst first.{more}</p>'
        f'<div class="filters" data-sheet="sheet-{number}">{buttons}</div>'
        f'<div class="sheet" id="sheet-{number}">{cards}</div>'
        "</section>"
    )


def _reasons(shown: Shown) -> dict[str, list[Found]]:
    """What speaks of each image, worst first."""
    reasons: dict[str, list[Found]] = defaultdict(list)
    for each in sorted(shown.found, key=lambda each: LEVELS.index(each.level)):
        for name in each.finding.about:
            reasons[name].append(each)
    return reasons


def _card(shown: Shown, number: int, image: ImageFacts, reasons: list[Found], text: str | None) -> str:
    level = reasons[0].level if reasons else "clean"
    why = "".join(f'<li class="{each.level}">{marked(each.rule.title)}</li>' for each in reasons)
    listed = f'<ul class="why">{why}</ul>' if why else ""
    size = f"{image.width} &times; {image.height}" if image.width else plain(image.error or "not readable")
    caption = ""
    if text:
        caption = f'<details class="caption"><summary>{plain(text)}</summary><p>{plain(text)}</p></details>'
    elif shown.captions is not None:
        caption = '<p class="soft none">no caption</p>'
    picture = _image(shown, image.name) or '<span class="soft small">no picture</span>'
    return (
        f'<article class="card shot" id="{anchor(number, image.name)}" data-level="{level}">'
        f'<div class="frame">{picture}</div><div class="text"><div class="name">{plain(image.name)}</div>'
        f'<div class="soft">{size}</div>{listed}{caption}</div>'
        "</article>"
    )


HOW = {
    "identical": "The same file",
    "pixels": "The same pixels in another file",
    "near": "Nearly the same",
    "mirrored": "Mirrored",
    "cropped": "One is a part of another, or turned",
}


def _copies(shown: Shown, number: int, of: str) -> str:
    facts = {image.name: image for image in shown.images.images}
    texts = {e.image: e.text for e in shown.captions.entries} if shown.captions is not None else {}
    groups = []
    for group in shown.images.copies[:COPIES]:
        captions = {" ".join(words(texts[name].lower())) for name in group.names if texts.get(name)}
        same = " The captions are the same too: such pairs are what models memorise." if len(captions) == 1 and len(
            [name for name in group.names if texts.get(name)]
        ) > 1 else ""  # fmt: skip
        figures = "".join(_figure(shown, facts.get(name), name) for name in group.names)
        groups.append(
            f'<div class="card pair"><p class="soft small">{HOW.get(group.how, plain(group.how))}.{same}</p>'
            f'<div class="row">{figures}</div></div>'
        )
    left = len(shown.images.copies) - COPIES
    more = f'<p class="soft">{left:,} more groups are not shown.</p>' if left > 0 else ""
    count = many(len(shown.images.copies), "group")
    return (
        f'<section id="copies-{number}"><h2>Copies{of}</h2><p class="soft">{count} of images that show one picture.</p>'
        f'<div class="pairs">{"".join(groups)}</div>{more}</section>'
    )


def _figure(shown: Shown, image: ImageFacts | None, name: str) -> str:
    told = []
    if image is not None and image.width:
        told.append(f"{image.width} &times; {image.height}")
    if image is not None and image.size:
        told.append(f"{image.size / 1024:,.0f} KB")
    return (
        f"<figure>{_image(shown, name)}<figcaption><b>{plain(name)}</b><br>"
        f'<span class="soft">{" &middot; ".join(told)}</span></figcaption></figure>'
    )


def _crops(shown: Shown, number: int, of: str) -> str:
    parts = [_fate(shown, fate) for fate in shown.images.fates]
    return (
        f'<section id="buckets-{number}"><h2>Crops{of}</h2><p class="soft">What this trainer\'s buckets make of the '
        f"images: the frame is what is trained on, the rest is cut off.</p>{''.join(parts)}</section>"
    )


def _fate(shown: Shown, fate: Fate) -> str:
    inside: dict[tuple[int, int], list[tuple[ImageFacts, Placed]]] = defaultdict(list)
    for image in shown.images.images:
        place = as_read(shown.images, image, fate)
        if place is not None:
            inside[place.width, place.height].append((image, place))
    ordered = sorted(inside.items(), key=lambda item: (-len(item[1]), item[0]))
    shares = [_bucket(shown, size, members, fate) for size, members in ordered[:BUCKETS]]
    left = len(ordered) - BUCKETS
    more = f'<p class="soft">{left} more buckets are not shown.</p>' if left > 0 else ""
    lost = f" {many(fate.unseen, 'image')} never seen: they do not fill a batch of {fate.batch}." if fate.unseen else ""
    return (
        f'<h3>At {fate.edge} px</h3><p class="soft small">{many(len(ordered), "bucket")}.{lost}</p>'
        f'<div class="buckets">{"".join(shares)}</div>{more}'
    )


def _bucket(shown: Shown, size: tuple[int, int], members: list[tuple[ImageFacts, Placed]], fate: Fate) -> str:
    worst = sorted(members, key=lambda member: (-member[1].lost, member[0].name))
    seen = [member for member in worst if member[0].name in shown.pictures][:PREVIEWS]
    most = worst[0][1].lost
    enlarged = sum(place.scale > 1.001 for _, place in members)
    notes = [f"up to {most:.0%} cut off" if most >= 0.005 else "nothing cut off"]
    if enlarged:
        notes.append(f"{enlarged} enlarged, by up to {max(place.scale for _, place in members):.2f}")
    if fate.batch and len(members) < fate.batch:
        notes.append(f"fewer than a batch of {fate.batch}")
    frames = "".join(_crop(shown, image, place) for image, place in seen)
    return (
        f'<div class="card bucket"><div class="bar-line"><b>{size[0]} &times; {size[1]}</b><span class="soft small">'
        f'{many(len(members), "image")}, {", ".join(notes)}</span></div><div class="row">{frames}</div></div>'
    )


def _crop(shown: Shown, image: ImageFacts, place: Placed) -> str:
    """The picture with what is cut off veiled; the crop is in the middle."""
    wide, high = image.width, image.height
    if image.orientation >= 5 and as_shown(shown):
        wide, high = high, wide
    kept_x = min(1.0, place.width / max(1.0, wide * place.scale))
    kept_y = min(1.0, place.height / max(1.0, high * place.scale))
    side, top = (1 - kept_x) / 2 * 100, (1 - kept_y) / 2 * 100
    across, down = f"top:0;bottom:0;width:{side:.2f}%", f"left:0;right:0;height:{top:.2f}%"
    places = [f"left:0;{across}", f"right:0;{across}"] if side > 0.2 else []
    places += [f"top:0;{down}", f"bottom:0;{down}"] if top > 0.2 else []
    veils = [f'<i style="{place}"></i>' for place in places]
    frame = f'<b style="inset:{top:.2f}% {side:.2f}%"></b>'
    told = f"{image.name}: {place.lost:.0%} cut off"
    return f'<span class="crop" title="{plain(told)}">{_image(shown, image.name, told)}{"".join(veils)}{frame}</span>'


def as_shown(shown: Shown) -> bool:
    """Whether the pictures were turned by EXIF, as the trainer turns them."""
    from lora_doctor.dataset.trainers import habits

    return habits(shown.images.plan.trainer).turns is not False


def _captions(captions: Captions, number: int, of: str) -> str:
    texts = captions.texts
    family = captions.plan.model.family
    lengths = [about(text, family) for text in texts]
    counts = coverage(texts)
    rows = [Bar(kind, counts[kind] / len(texts), f"{counts[kind]} of {len(texts)}", f"such as {EXAMPLES[kind]}",
                _tone(counts[kind] / len(texts))) for kind in KINDS]  # fmt: skip
    middle = sorted(lengths)[len(lengths) // 2]
    limit = f" The text encoder reads {captions.limit}." if captions.limit else ""
    trigger = _trigger(captions)
    return (
        f'<section id="captions-{number}"><h2>Captions{of}</h2>{trigger}<div class="two">'
        f'<div class="card"><h3>What they speak of</h3>{bars(rows, "captions that name each kind of detail")}</div>'
        f'<div class="card"><h3>What they repeat</h3>{bars(_frequent(captions), "most frequent words")}</div></div>'
        f'<div class="card below"><h3>How long they are</h3><p class="soft small">About {middle} tokens '
        f"in the middle, {min(lengths)} to {max(lengths)} in all (estimated from words).{limit}</p>"
        f"{histogram(lengths, captions.limit, 'captions by their length in tokens')}</div></section>"
    )


def _tone(share: float) -> str:
    return "warning" if share < 0.2 else "good" if share >= 0.6 else "plain"


def _trigger(captions: Captions) -> str:
    trigger = captions.trigger
    if trigger is None:
        return '<p class="soft">No trigger was named, and no invented word leads the captions.</p>'
    from lora_doctor.captions.triggers import has

    inside = sum(has(text, trigger.word) for text in captions.texts)
    how = "" if trigger.declared else ", taken for the trigger because it leads most captions and is no word"
    added = "; the trainer adds it where it is missing" if trigger.added else ""
    share = f"{inside} of {len(captions.texts)} captions"
    return f"<p>Trigger <code>{plain(trigger.word)}</code>{how}: in {share}{added}.</p>"


def _frequent(captions: Captions) -> list[Bar]:
    texts = captions.texts
    own: Iterable[str] = words(captions.trigger.word.lower()) if captions.trigger else ()
    always = {word for word, _ in constants(texts, 0.9, own)}
    listed = constants(texts, 2 / max(2, len(texts)), own)[:FREQUENT] or [
        (word, count) for word, count in frequency(texts).most_common(FREQUENT)
    ]
    whole = len(texts)
    tones = dict.fromkeys(always, "warning") if whole > 7 else {}
    return [Bar(word, count / whole, f"{count} of {whole}", tone=tones.get(word, "plain")) for word, count in listed]
