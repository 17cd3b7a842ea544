"""The word that is to call the LoRA: which it is, how it is spelled, where it stands."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from lora_doctor.captions.facts import Trigger
from lora_doctor.captions.patterns import SCORE_TAG
from lora_doctor.captions.words import PLAIN, words

if TYPE_CHECKING:
    from lora_doctor.captions.facts import Captions

ADDING = ("ai-toolkit", "lora-doctor", "SimpleTuner")  # put the trigger in front of captions that lack it
LEADS = 4  # words from the start within which a trigger is looked for
CONSENSUS = 0.6  # share of the captions that makes a leading word the trigger
JOINED_CONSENSUS = 0.8
FEWEST = 4  # captions, below which nothing is guessed
_JOINED = re.compile(r"[A-Za-z]\w*_\w+(?=[\s,.]|$)")
_SHORT = (
    "tv dslr hdr rgb cgi vhs dvd pc nsfw sfw mr mrs ms dr st png jpg bw pts ltd lcd led usb gps cctv hmm hd sd xl mm "
    "cm km ft kg lb ww nyc bbq bmw bmx mtb diy pvc suv rpg npc ps ui ux qr url www fps iso gpu cpu xxl cd dj fm am"
)
_STARTS = (
    "bl br fj ch chr cl cr dr dw fl fr gh gl gn gr kh kl kn kr kv ll ph phl phr pl pr ps pt rh sc sch schm schn schw "
    "scl scr sh shm shn shr sk sl sm sn sp sph spl spr squ sq st str sv sw th thr thw tr ts tw wh wr mn tch dh bh zh "
    "sz cz hr ng"
)
_ABBREVIATIONS, _ONSETS = frozenset(_SHORT.split()), frozenset(_STARTS.split())
_ENDINGS = re.compile(r"(?:[^aeiouy]{5,}|[jqvx][^aeiouy]|h[bcdfghjkpqvwxz]|w[bcfghjmpqvwxz]|[^aeiouy][jqw])$")


def invented(word: str) -> bool:
    """Whether a word looks made up: no vowel, letters and digits mixed, or a sound no language starts or ends with."""
    small = word.lower()
    if len(small) < 2 or not small[0].isalpha() or small in _ABBREVIATIONS or small in PLAIN or not small.isascii():
        return False
    if re.search(r"\d", small):
        mixed = re.fullmatch(r"[a-z]+\d+[a-z\d]*", small)
        return mixed is not None and not re.fullmatch(r"(?:[a-z]{1,2}|score|mark|type|iso)\d+s?", small)
    if not small.isalpha():
        return False
    if not re.search(r"[aeiouy]", small):
        return len(small) >= 3
    start = re.match(r"[^aeiouy]*", small)
    onset = start.group() if start else ""
    strange = len(onset) > 1 and onset not in _ONSETS and not onset.startswith("mc")
    return strange or bool(re.search(r"q[^u]", small)) or bool(_ENDINGS.search(small))


def trigger_of(captions: Captions) -> Trigger | None:
    """The declared trigger, else an invented word that leads most captions."""
    plan, data = captions.plan, captions.data
    for setting in (data.trigger, plan.trigger):
        word = setting.value
        if isinstance(word, str) and word.strip():
            return Trigger(word.strip(), True, plan.trainer in ADDING, setting)
    word = guessed(captions.texts)
    return Trigger(word, False) if word else None


def guessed(texts: tuple[str, ...]) -> str | None:
    """The invented word among the first of most captions, most frequent spelling, or what stands first in all."""
    if len(texts) < FEWEST:
        return None
    found = (_JOINED.match(text) for text in texts if not SCORE_TAG.match(text))
    joined = Counter(match.group() for match in found if match)
    if joined and joined.most_common(1)[0][1] >= JOINED_CONSENSUS * len(texts):
        return joined.most_common(1)[0][0]  # `my_trigger`: no tag stands first in as many captions
    leads = leading(texts)
    if not leads:
        return None
    word, count = leads[0]
    if count < CONSENSUS * len(texts):
        return None
    spellings = Counter(each for text in texts for each in words(text)[:LEADS] if each.lower() == word)
    return spellings.most_common(1)[0][0]


def leading(texts: tuple[str, ...]) -> list[tuple[str, int]]:
    """Invented words among the first of the captions, in lower case, with the number of captions they lead."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update({word.lower() for word in words(text)[:LEADS] if invented(word)})
    return counts.most_common()


def has(text: str, word: str) -> bool:
    """Whether the trigger stands in a text as a word or phrase of its own, in any case."""
    return bool(_alone(word, re.I).search(text))


def spelled(text: str, word: str) -> bool:
    """Whether it stands there exactly as written."""
    return bool(_alone(word).search(text))


def _alone(word: str, flags: int = 0) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", flags)


def variants(texts: tuple[str, ...], word: str) -> list[tuple[str, int]]:
    """Other spellings in captions without the right one: another case, glued to a neighbour, with hyphens or blanks."""
    found: Counter[str] = Counter()
    plain = re.sub(r"[\W_]+", "", word).lower()
    if len(plain) < 3:
        return []
    for text in texts:
        if spelled(text, word):
            continue
        cased = _alone(word, re.I).search(text)
        if cased:
            found[cased.group()] += 1
            continue
        spread = re.search(rf"(?<![^\W_]){'[-_ .]?'.join(map(re.escape, plain))}(?![^\W_])", text, re.I)
        glued = re.search(rf"(?<![^\W_]){re.escape(plain)}\w+|\w+{re.escape(plain)}(?![^\W_])", text, re.I)
        match = spread or (glued if invented(plain) and len(plain) >= 3 else None)
        if match:
            found[match.group()] += 1
    return found.most_common()


def position(text: str, word: str) -> str | None:
    """`first`, `inside`, or None where it does not stand there."""
    match = _alone(word, re.I).search(text)
    if match is None:
        return None
    return "inside" if words(text[: match.start()]) else "first"
