"""Whether a word is fit to be a trigger: rare, without meaning, cheap in tokens; and words that are.

Rarity is looked up in word lists of several languages (the `wordfreq` package), not in CLIP's vocabulary: that a word
is one CLIP token only says that web captions are full of it (`ghibli`, `vangogh`). Pieces are counted with the
tokenizers in the model's folder. What can't be looked up is said to be unknown.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from lora_doctor.captions.known import FAMOUS, ORDINARY
from lora_doctor.captions.tokens import FOLDERS, load
from lora_doctor.captions.triggers import invented
from lora_doctor.captions.words import PLAIN

LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl", "pl", "sv", "tr", "id", "fi")
COMMON = 3.0  # Zipf: once in a million words
SEEN = 1.0  # Zipf: once in a hundred million words; below it stands only in names and noise
FEW_PIECES = 3  # tokens
_CONSONANTS, _VOWELS = "bcdfghjklmnpqrtvwxz", "aeiou"
_SHAPES = ("ccc", "cccc", "ccvc", "cvcc", "cvccc")
# Letters that spell out, or stand for, what nobody wants in a prompt.
_UNWANTED = re.compile(r"fck|fuk|cnt|kkk|ngr|nig|nzi|sht|dck|cck|fgt|rpe|xxx|pnk|prn|nud|tit|cum|kill|wtf|isis|hh")


class Remark(NamedTuple):
    """One thing looked at: `verdict` is good, doubtful, bad or unknown."""

    verdict: str
    sentence: str


class Judgement(NamedTuple):
    """A word, and what was found about it, worst first."""

    word: str
    remarks: tuple[Remark, ...]

    @property
    def verdict(self) -> str:
        """The worst of all; what is unknown does not count."""
        found = {remark.verdict for remark in self.remarks}
        return next((each for each in ("bad", "doubtful") if each in found), "good")


def judge(word: str, model: Path | None = None) -> Judgement:
    """What speaks for and against a word."""
    order = ("bad", "doubtful", "unknown", "good")
    remarks = [*_form(word), *_meaning(word), *_frequency(word), *_pieces(word, tokenizers(model))]
    return Judgement(word, tuple(sorted(remarks, key=lambda remark: order.index(remark.verdict))))


def _form(word: str) -> Iterator[Remark]:
    parts = re.findall(r"[^\W_]+", word)
    if len(parts) > 1:
        yield Remark("doubtful", f"{len(parts)} words: as a phrase it is describing; then say it in plain words")
    if not parts:
        yield Remark("bad", "no letters")
    elif not word.isascii():
        yield Remark("doubtful", "letters beyond a-z: encoders take them byte by byte")
    elif re.search(r"\d", word):
        yield Remark("doubtful", "digits: each is a token of its own, and reads as a number")
    elif re.search(r"[^A-Za-z\s]", word):
        yield Remark("doubtful", "punctuation: it is cut off as a token of its own")
    elif word != word.lower():
        lower = word.lower()
        yield Remark("doubtful", f"capitals: Qwen3, T5 and Gemma take `{word}` and `{lower}` for different words")
    elif len(parts) == 1 and 3 <= len(word) <= 6:
        yield Remark("good", f"one word of {len(word)} letters")
    elif len(parts) == 1:
        yield Remark("doubtful", "too short to be rare" if len(word) < 3 else "long: more pieces, and harder to type")


def _meaning(word: str) -> Iterator[Remark]:
    parts = [part.lower() for part in re.findall(r"[^\W_]+", word)]
    known = next((part for part in parts if part in FAMOUS), None)
    if known:
        yield Remark("doubtful" if known in ("sks", "ohwx") else "bad", f"`{known}` has a meaning: {FAMOUS[known]}")
    elif parts and all(part in ORDINARY or part in PLAIN for part in parts):
        yield Remark("bad", "an ordinary word of captions: the LoRA would act without being called")
    inside = next((each for each in sorted(ORDINARY) if len(each) > 3 and parts and each in parts[0] != each), None)
    if inside and len(parts) == 1:
        yield Remark("doubtful", f"`{inside}` is in it, which encoders may split off")


def _frequency(word: str) -> Iterator[Remark]:
    if find_spec("wordfreq") is None:
        yield Remark("unknown", "how often it is written was not looked up: pip install 'lora-doctor[data]'")
        return
    parts = re.findall(r"[^\W_]+", word) or [word]
    rarest = min(parts, key=lambda part: zipf(part, "en"))  # of a phrase, one rare word is enough
    found = {language: zipf(rarest, language) for language in LANGUAGES}
    language, most = max(found.items(), key=lambda item: item[1])
    if found["en"] >= COMMON and len(parts) > 1:
        yield Remark("doubtful", f"no rare word: the rarest, `{rarest}`, is written once in {_once(found['en'])} words")
    elif found["en"] >= COMMON:
        language, most = "en", found["en"]
        yield Remark("bad", f"a common word (Zipf {most:.1f} in {language}): once in {_once(most)} words")
    elif most >= SEEN:
        often = "a common word elsewhere" if most >= COMMON else "written now and then"
        yield Remark("doubtful", f"{often} (Zipf {most:.1f} in {language}): once in {_once(most)} words")
    else:
        yield Remark("good", f"no word in {len(LANGUAGES)} languages")


def _once(zipf_value: float) -> str:
    words = 10 ** (9 - zipf_value)
    return f"{words / 1e6:.0f} million" if words >= 1e6 else f"{round(words, -3):,.0f}"


def zipf(word: str, language: str) -> float:
    """Its frequency as log10 per billion words; 0 where it is not listed."""
    from wordfreq import zipf_frequency

    return float(zipf_frequency(word.lower(), language))


def tokenizers(model: Path | None) -> list[tuple[str, Any]]:
    """The tokenizers in a model's folder, by their folder's name."""
    if model is None or find_spec("tokenizers") is None:
        return []
    places = [model, *(model / name for name in FOLDERS)]
    there = [place for place in places if (place / "tokenizer.json").is_file() or (place / "merges.txt").is_file()]
    return [(place.name, found) for place in there if (found := load(str(place))) is not None]


def _pieces(word: str, found: Sequence[tuple[str, Any]]) -> Iterator[Remark]:
    if not found:
        yield Remark("unknown", "its tokens were not counted: --model FOLDER, with the model's tokenizers in it")
    for name, tokenizer in found:
        inside = _split(tokenizer, f"a {word}")[len(_split(tokenizer, "a")) :]
        first = _split(tokenizer, word)
        shown = "+".join(piece.replace("</w>", "").replace("Ġ", "").replace("▁", "") for piece in inside)
        moved = "" if len(first) == len(inside) else f" ({len(first)} where it stands first: keep it in one place)"
        verdict = "good" if len(inside) <= FEW_PIECES else "doubtful"
        count = f"{len(inside)} token{'s' * (len(inside) != 1)}"
        yield Remark(verdict, f"{count} in {name}: {shown}{moved}")


def _split(tokenizer: Any, text: str) -> list[str]:
    return list(tokenizer.encode(text.lower() if _lowers(tokenizer) else text, add_special_tokens=False).tokens)


def _lowers(tokenizer: Any) -> bool:
    return tokenizer.token_to_id("a</w>") is not None  # CLIP


def propose(count: int, model: Path | None = None, seed: int | None = None) -> list[str]:
    """Invented words that nothing speaks against; others every time, or a word would soon be known."""
    chance = random.Random(seed)
    found: list[str] = []
    for _ in range(20_000):
        if len(found) == count:
            break
        shape = chance.choice(_SHAPES)
        word = "".join(chance.choice(_CONSONANTS if kind == "c" else _VOWELS) for kind in shape)
        if word in found or len(set(word)) < len(word) or _UNWANTED.search(word) or not invented(word):
            continue
        if any(each[:2] == word[:2] for each in found):
            continue  # five that differ
        if judge(word, model).verdict == "good":
            found.append(word)
    return found
