"""Words of captions: how they are split, which stand in nearly all, in which style and language they are written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

from lora_doctor.captions.patterns import NAMED

WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
# Words that carry no content: articles, pronouns, prepositions, conjunctions, auxiliary verbs, and "image of".
_PLAIN = (
    "a an the this that these those some any each every no not one it its he his him she her they their them we our "
    "you your i my who which what there here of in on at by for with without from to into onto over under above below "
    "behind between beside near next against through around across along up down out off and or but as if while than "
    "then so very is are was were be been being has have had does do did can could will would may might also both all "
    "other another more most such only just like photo photograph picture image shot portrait"
)
PLAIN = frozenset(_PLAIN.split())
_LITTLE = {
    "en": "the a an of with and in on is are to at by from her his its",
    "de": "der die das ein eine und mit auf ist einer einem einen im von vor dem den sind",
    "fr": "le la les un une des et avec sur dans est du au aux sont d'une",
    "es": "el la los las un una y con en de del es sobre está están",
    "it": "il lo la gli le un una e con su di del della è sono",
    "pt": "o a os as um uma e com em de do da no na é são",
    "nl": "de het een en met op van is zijn voor aan in",
    "pl": "i w na z ze jest są do od przed kobieta mężczyzna",
}
FUNCTION = {code: little.split() for code, little in _LITTLE.items()}
_VERBS = re.compile(
    r"\b(?:is|are|was|has|have|wears?|wearing|stands?|standing|sits?|sitting|holds?|holding|looks?|shows?|lies|rests?|"
    r"features?|appears?|surrounds?|leans?|walks?|smiles?)\b",
    re.I,
)
_ARTICLES = re.compile(r"\b(?:a|an|the|its|his|her|their|of|with)\b", re.I)
_SCRIPTS = (
    ("Chinese", "\u4e00", "\u9fff"),
    ("Japanese", "\u3040", "\u30ff"),
    ("Korean", "\uac00", "\ud7a3"),
    ("Cyrillic", "\u0400", "\u04ff"),
    ("Arabic", "\u0600", "\u06ff"),
    ("Thai", "\u0e00", "\u0e7f"),
    ("Devanagari", "\u0900", "\u097f"),
    ("Hebrew", "\u0590", "\u05ff"),
    ("Greek", "\u0370", "\u03ff"),
)
LANGUAGES = {"de": "German", "fr": "French", "es": "Spanish", "it": "Italian", "pt": "Portuguese", "nl": "Dutch",
             "pl": "Polish"}  # fmt: skip


def words(text: str) -> list[str]:
    """The words of a text as they are written."""
    return WORD.findall(text)


@lru_cache(maxsize=64)
def frequency(texts: tuple[str, ...]) -> Counter[str]:
    """In how many texts each word (in lower case) stands."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update({word.lower() for word in words(NAMED.sub(" ", text))})
    return counts


def constants(texts: tuple[str, ...], share: float, leave: Iterable[str] = ()) -> list[tuple[str, int]]:
    """Words with content that stand in at least this share of the texts, most frequent first."""
    left = {word.lower() for word in leave}
    enough = share * len(texts)
    found = [(word, count) for word, count in frequency(texts).items() if count >= enough and len(word) > 2]
    return sorted(
        ((word, count) for word, count in found if word not in PLAIN and word not in left), key=lambda f: (-f[1], f[0])
    )


def style(text: str) -> str | None:
    """`tags`, `prose`, or None: too short to say, or phrases between commas, which both kinds of encoder take."""
    segments = [part.strip() for part in re.split(r"[,\n]", text) if part.strip()]
    if re.search(r"\b(?:[1-6]\+?(?:girl|boy)s?|score_\d)\b", text):
        return "tags"
    long = sum(len(words(part)) > 4 for part in segments)
    if _VERBS.search(text) or (long >= max(1, len(segments) / 2) and _ARTICLES.search(text)):
        return "prose" if len(words(text)) >= 5 else None
    short = sum(len(words(part)) <= 2 and not _ARTICLES.search(part) for part in segments)
    return "tags" if len(segments) >= 4 and short >= 0.7 * len(segments) else None


def script(text: str) -> str | None:
    """The script most letters are of, None for Latin."""
    letters = [letter for letter in text if letter.isalpha()]
    if len(letters) < 6:
        return None
    for name, first, last in _SCRIPTS:
        if sum(first <= letter <= last for letter in letters) > len(letters) / 2:
            return name
    return None


def language(texts: Sequence[str]) -> str | None:
    """The language a set is written in, where it is clearly none of English: told by scripts and little words."""
    scripts = Counter(script(text) for text in texts)
    most, count = scripts.most_common(1)[0] if scripts else (None, 0)
    if most is not None and count > len(texts) / 2:
        return most
    counts = Counter(word.lower() for text in texts for word in words(text))
    scores = {code: sum(counts[word] for word in little) for code, little in FUNCTION.items()}
    best = max(scores, key=lambda code: scores[code])
    certain = scores[best] >= 10 and scores[best] >= 3 * scores["en"] and scores[best] >= 0.08 * sum(counts.values())
    return LANGUAGES.get(best) if certain else None


def after(texts: Sequence[str], word: str) -> str | None:
    """The word that follows `word` in at least half of the texts that have it: the class of a trigger."""
    pattern = re.compile(rf"(?<![^\W_]){re.escape(word)}[\s,]+([^\W\d_]+)", re.I)
    found = Counter(match.group(1).lower() for text in texts if word and (match := pattern.search(text)))
    best = found.most_common(1)
    return best[0][0] if best and best[0][1] >= 0.5 * sum(found.values()) else None
