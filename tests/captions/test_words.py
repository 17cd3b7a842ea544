"""Words, triggers, details and lengths, on captions written for the purpose."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_doctor.captions import patterns
from lora_doctor.captions.lexicon import KINDS, covered
from lora_doctor.captions.tokens import about, at_least
from lora_doctor.captions.triggers import guessed, has, invented, position, variants
from lora_doctor.captions.words import after, constants, language, style
from lora_doctor.lint import lint_file

GOOD = (
    "sks jewelry photo, 18k gold engagement ring with oval cut diamond, soft studio lighting, dark velvet background, "
    "macro photography, sharp focus on gemstone facets"
)


def test_a_good_caption_names_every_kind_of_detail_and_a_bad_one_next_to_none() -> None:
    assert covered(GOOD) == set(KINDS)
    assert covered("ring on dark background") == {"background"}


@pytest.mark.parametrize(
    "text, kind",
    [
        ("a light blue dress", "lighting"),
        ("golden hair", "material"),
        ("she focuses in class", "depth of field"),
        ("a stylish hat", "style"),
        ("a woman named Stone", "texture"),
        ("the film was long", "focal length"),
        ("silver-white hair with platinum blonde ends", "material"),
        ("a coat worn over a shirt", "texture"),
        ("lying on her side on the grass", "camera angle"),
        ("a sailor-style collar in pastel pink", "style"),
    ],
)
def test_words_of_several_senses_do_not_count_alone(text: str, kind: str) -> None:
    assert kind not in covered(text)


@pytest.mark.parametrize("word", ["sks", "ohwx", "zwx", "chkn", "ukj", "p3rs0n", "bl4ck4rt", "qvk", "zxqv"])
def test_invented(word: str) -> None:
    assert invented(word)


WORDS = (
    "ring woman portrait rhythm hymn lynx fjord watch chess psalm wax fox box relax sphinx iraq queen dslr hdr tv "
    "35mm 18k f8 1girl score_9 john mcdonald llama schnapps klein iphone xena strength lights black street three"
)


@pytest.mark.parametrize("word", WORDS.split())
def test_words_of_a_language_are_not_invented(word: str) -> None:
    assert not invented(word)


def test_the_trigger_is_guessed_from_what_leads_most_captions() -> None:
    assert guessed(("zwx ring", "a zwx ring", "photo of zwx ring", "a ring", "zwx on sand")) == "zwx"
    assert guessed(("woman in red", "woman in blue", "woman in green", "woman in black")) is None
    assert guessed(("zwx ring", "a ring", "a ring", "a ring", "a ring")) is None
    assert guessed(tuple(f"bk_mira_body, a girl, number {n}" for n in range(5))) == "bk_mira_body"
    assert guessed(tuple(f"score_9, score_8_up, number {n}" for n in range(5))) is None
    assert guessed(("long_hair, smile", "long_hair, hat", "1girl, solo", "solo, smile", "hat, solo")) is None


def test_spellings_that_are_other_words() -> None:
    texts = ("zwx ring", "Zwx ring", "zwxring", "z-w-x ring", "zwx_ring", "a ring")
    assert dict(variants(texts, "zwx")) == {"Zwx": 1, "zwxring": 1, "z-w-x": 1}
    assert variants(("party time", "art deco"), "art") == []


def test_position() -> None:
    assert position("zwx ring", "zwx") == "first"
    assert position("(zwx) ring", "zwx") == "first"
    assert position("a zwx ring", "zwx") == "inside"
    assert position("a ring", "zwx") is None
    assert has("a zwx, ring", "zwx")
    assert not has("a zwxy ring", "zwx")


@pytest.mark.parametrize(
    "text, kind",
    [
        ("1girl, solo, smile, long hair", "tags"),
        ("ring, gold, slate, closeup", "tags"),
        ("a woman is standing in the rain, holding an umbrella", "prose"),
        (GOOD, None),
        ("zwx ring", None),
    ],
)
def test_style(text: str, kind: str | None) -> None:
    assert style(text) == kind or (kind is None and style(text) != "tags")


def test_language() -> None:
    assert language(["кольцо на сланце", "кольцо на песке"]) == "Cyrillic"
    assert language(["ein Ring aus Gold auf einer Platte aus Schiefer mit dem Licht von der Seite"] * 3) == "German"
    assert language(["a ring of gold on a slab of slate with light from the side"] * 3) is None
    assert language(["zwx, ring, gold"] * 5) is None
    assert language([]) is None


def test_constants_leave_out_little_words() -> None:
    texts = tuple(f"a zwx ring on dark velvet, number {n}" for n in range(10))
    assert [word for word, _ in constants(texts, 0.9, ["zwx"])] == ["dark", "number", "ring", "velvet"]
    assert constants(tuple(f"[trigger] ring, number {n}" for n in range(10)), 0.9, ["ring", "number"]) == []
    assert after(texts, "zwx") == "ring"


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I cannot identify people in images",
        "As an AI language model, I am unable to view images",
        "The image does not have a clear caption",
    ],
)
def test_refusals(text: str) -> None:
    assert patterns.REFUSAL.search(text)


@pytest.mark.parametrize(
    "text",
    [
        "a woman who looks sorry, sitting on a bench",
        "a sign that says I can help",
        "an AI robot in a lab",
        "a man assisting a child, I-beam in the background",
        "a caption card beside the vase",
    ],
)
def test_no_refusals(text: str) -> None:
    assert not patterns.REFUSAL.search(text)


@pytest.mark.parametrize("text", ["a ring (gold)", "Canon EOS (2010: spring)", "time 12:30", "a [red] box", "no. 1.2"])
def test_plain_punctuation_is_no_prompt_syntax(text: str) -> None:
    for pattern in (patterns.WEIGHT, patterns.LORA_TAG, patterns.WILDCARD, patterns.SWITCH):
        assert not pattern.search(text)


@pytest.mark.parametrize(
    "name", ["IMG_4711", "DSC01234.JPG", "12", "3f2b8c1d9e4a7f60", "image (3)", "Screenshot 2026-01-02"]
)
def test_camera_names(name: str) -> None:
    assert patterns.CAMERA_FILE.search(name)


@pytest.mark.parametrize("text", ["zwx ring", "photo of a ring", "image of 3 rings", "12 roses", "file cabinet"])
def test_no_camera_names(text: str) -> None:
    assert not patterns.CAMERA_FILE.search(text)


def test_counts_of_the_notes_example() -> None:
    assert about(GOOD, "sdxl") == pytest.approx(32, rel=0.1)  # CLIP's own count
    assert at_least(GOOD, 75, "sdxl").end is None
    long = at_least("one two three four", 3, "sana")
    assert (long.tokens, long.lost("one two three four")) == (4, "four")


@given(st.text(max_size=200))
def test_the_bound_is_below_the_estimate_and_nothing_fails(text: str) -> None:
    assert at_least(text, None, "sdxl").tokens <= about(text, "sdxl")
    style(text), covered(text), language([text])


@given(st.text(alphabet="abz wx,.'-1", max_size=80), st.integers(1, 10))
def test_what_is_lost_is_the_end(text: str, limit: int) -> None:
    count = at_least(text, limit, "sdxl")
    assert (count.end is None) == (count.tokens <= limit)
    if count.end is not None:
        assert at_least(text[: count.end], None, "sdxl").tokens == limit


def test_lengths_by_the_models_own_tokenizer(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers", reason="exact counts where `tokenizers` is installed")
    letters = {letter: n for n, letter in enumerate("abcdefghijklmnopqrstuvwxyzĠ")}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(letters, []))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    (tmp_path / "model" / "tokenizer").mkdir(parents=True)
    tokenizer.save(str(tmp_path / "model" / "tokenizer" / "tokenizer.json"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.png").touch()
    (tmp_path / "data" / "a.txt").write_text("ab " * 60)  # 179 tokens of this tokenizer, 60 by the bound
    config = tmp_path / "c.toml"
    config.write_text(
        f'output = "o"\n[model]\npath = "{tmp_path}/model"\nfamily = "sdxl"\n[[data]]\nfolder = "{tmp_path}/data"\n'
    )
    (found,) = [each for each in lint_file(config).found if each.rule.id == "caption-cut-off"]
    assert "a.txt has 179 and loses" in found.finding.message
