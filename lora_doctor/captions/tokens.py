"""How much of a caption the text encoder reads.

Two counts. `at_least` is certain: every tokenizer of these models cuts at blanks first, and none merges across them, so
a word is a token or more (CLIP and Qwen3 also cut at digits and punctuation). `about` adds what long and rare words
usually take: within a tenth of CLIP's own count on English captions. The model's own tokenizer is used where its folder
and the `tokenizers` package are there; then the count is exact.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from lora_doctor.plan import Plan

# CLIP (openai/CLIP simple_tokenizer.py) and Qwen (transformers tokenization_qwen2.py) read digits one by one.
_ATOM = re.compile(r"'(?:s|t|re|ve|m|ll|d)\b|[^\W\d_]+|\d|[^\s\w]+|_+", re.I)
_WORD = re.compile(r"\S+")
CLIP = ("sdxl", "sd15", "sd2")
PIECES = ("sana", "flux1", "sd3")  # SentencePiece: punctuation may belong to a word's piece
FOLDERS = ("tokenizer", "tokenizer_2", "tokenizer_3")


class Count(NamedTuple):
    """Tokens of a caption, and the place in it behind which nothing is read (None where all is)."""

    tokens: int
    exact: bool
    end: int | None = None

    def lost(self, text: str) -> str:
        """The words that fall off."""
        return " ".join(text[self.end :].split()) if self.end is not None else ""


Counter = Callable[[str, int | None], Count]


def at_least(text: str, limit: int | None, family: str | None) -> Count:
    """The least number of tokens a caption can have for this family's encoder."""
    atoms = [match.start() for match in (_WORD if family in PIECES else _ATOM).finditer(text)]
    end = atoms[limit] if limit is not None and len(atoms) > limit else None
    return Count(len(atoms), False, end)


def about(text: str, family: str | None) -> int:
    """An estimate for charts: long words are two or three tokens."""
    total = 0
    for match in _ATOM.finditer(text):
        length = len(match.group())
        total += 1 if length <= 9 else 2 if length <= 15 else 3
    return round(total * (1.08 if family in PIECES else 1.0))


def counter_for(plan: Plan) -> Counter:
    """The model's own tokenizer where there is one, else the certain bound."""
    family = plan.model.family
    loaded = own_tokenizer(plan)
    if loaded is None:
        return lambda text, limit: at_least(text, limit, family)

    def count(text: str, limit: int | None) -> Count:
        lowered = text.lower() if family in CLIP else text
        offsets = loaded.encode(lowered, add_special_tokens=False).offsets
        end = offsets[limit][0] if limit is not None and len(offsets) > limit else None
        return Count(len(offsets), True, end)

    return count


def own_tokenizer(plan: Plan) -> Any:
    """The tokenizer in the model's folder, None without one or without the package that reads it."""
    if find_spec("tokenizers") is None:
        return None
    beside = Path(plan.config.document.name).absolute().parent
    for component in (plan.text_encoder, plan.model):
        written = component.setting.value
        if not isinstance(written, str) or not written:
            continue
        for root in (Path.cwd(), beside):
            folder = root / os.path.expanduser(written)
            for place in (folder, *(folder / name for name in _folders(plan.model.family))):
                if (place / "tokenizer.json").is_file() or (place / "merges.txt").is_file():
                    return load(str(place))
    return None


def _folders(family: str | None) -> tuple[str, ...]:
    return ("tokenizer_2", "tokenizer") if family == "flux1" else FOLDERS  # T5 reads more of it than CLIP


@lru_cache(maxsize=4)
def load(folder: str) -> Any:
    """A tokenizer from the files in a folder, None where they can't be read."""
    from tokenizers import Tokenizer

    whole, vocabulary = Path(folder, "tokenizer.json"), Path(folder, "vocab.json")
    try:
        if whole.is_file():
            return Tokenizer.from_file(str(whole))
        if "</w>" in Path(folder, "merges.txt").read_text(encoding="utf-8"):
            return _clip(folder)
        byte_level = import_module("tokenizers.implementations").ByteLevelBPETokenizer  # not exported for type checkers
        return byte_level(str(vocabulary), str(Path(folder, "merges.txt")))
    except Exception:  # tokenizers raises plain Exception at files it can't read
        return None


def _clip(folder: str) -> Any:
    """CLIP's tokenizer of its two files: words with an end mark, bytes, lower case."""
    from tokenizers import Regex, Tokenizer, pre_tokenizers
    from tokenizers.models import BPE

    model = BPE.from_file(
        str(Path(folder, "vocab.json")), str(Path(folder, "merges.txt")), end_of_word_suffix="</w>", fuse_unk=False
    )
    found = Tokenizer(model)
    cut = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    found.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(cut, behavior="removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    return found
