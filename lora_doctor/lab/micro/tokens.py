"""Tokenizers built in code, in the families' own classes: byte pairs of the world's captions and ordinary words."""

from __future__ import annotations

import json
import random
from typing import Any

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, trainers
from tokenizers.models import BPE
from transformers import CLIPTokenizer, GemmaTokenizer, Qwen2Tokenizer
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

from ..world.scene import caption, scenes, sparing
from ..world.vocabulary import HELD_OUT_STYLES, HELD_OUT_SUBJECTS

MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
ORDINARY = (
    "a picture in the style of watercolor sketch vivid toy house car tree person dog cat ring gold camera macro"
    " portrait sharp focus studio lighting wearing with and standing sitting holding brown gray two three make it"
    " remove add turn into"
)


def sentences(number: int = 4000) -> list[str]:
    """What the merges are learned from: seeded captions, the held-out names, ordinary words."""
    rng = random.Random(0)
    texts = [caption(scene, sparing(rng, 0.2)) for scene in scenes(0, number)]
    return [*texts, *([" ".join(("a", *HELD_OUT_SUBJECTS, *HELD_OUT_STYLES)), ORDINARY] * 40)]


def _byte_pairs(size: int) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges of `size` entries."""
    model = Tokenizer(BPE())
    model.normalizer = normalizers.NFC()
    words = pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated", invert=False)
    octets = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    model.pre_tokenizer = pre_tokenizers.Sequence([words, octets])
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=alphabet, special_tokens=list(MARKS), show_progress=False
    )
    model.train_from_iterator(sentences(), trainer)
    learned = json.loads(model.to_str())["model"]
    return learned["vocab"], [tuple(pair) for pair in learned["merges"]]


def qwen(size: int = 512) -> Any:
    """A Qwen2Tokenizer whose chat template is the content alone: a micro model has no room for a chat's words."""
    vocabulary, merges = _byte_pairs(size)
    tokenizer = Qwen2Tokenizer(vocab=vocabulary, merges=merges, additional_special_tokens=list(MARKS[1:]))
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    return tokenizer


def clip(size: int = 768, length: int = 77) -> Any:
    """A CLIPTokenizer with the world's words."""
    model = Tokenizer(BPE(end_of_word_suffix="</w>"))
    model.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    model.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=alphabet, end_of_word_suffix="</w>", special_tokens=[], show_progress=False
    )
    model.train_from_iterator(sentences(), trainer)
    merges = [tuple(pair) for pair in json.loads(model.to_str())["model"]["merges"]]
    symbols = [*alphabet, *(letter + "</w>" for letter in alphabet), *("".join(pair) for pair in merges)]
    vocabulary: dict[str, int] = {}
    for symbol in [*symbols, "<|startoftext|>", "<|endoftext|>"]:
        vocabulary.setdefault(symbol, len(vocabulary))
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=length)


def gemma(size: int = 640, length: int = 300) -> Any:
    """A GemmaTokenizer with the world's words; bytes for everything else."""
    vocabulary = {mark: index for index, mark in enumerate(("<pad>", "<eos>", "<bos>", "<unk>", "<mask>"))}
    for byte in range(256):
        vocabulary[f"<0x{byte:02X}>"] = len(vocabulary)
    model = Tokenizer(BPE())
    model.normalizer = normalizers.Replace(" ", "▁")
    model.pre_tokenizer = pre_tokenizers.Split(
        Regex(r"▁?[\p{L}\p{N}]+|[^\p{L}\p{N}▁]+"), behavior="removed", invert=True
    )
    trainer = trainers.BpeTrainer(vocab_size=size - len(vocabulary), special_tokens=[], show_progress=False)
    model.train_from_iterator(sentences(), trainer)
    learned = json.loads(model.to_str())["model"]
    for symbol in learned["vocab"]:
        vocabulary.setdefault(symbol, len(vocabulary))
    return GemmaTokenizer(vocab=vocabulary, merges=[tuple(pair) for pair in learned["merges"]], model_max_length=length)
