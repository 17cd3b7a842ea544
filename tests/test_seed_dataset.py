"""What the field's most-copied notes say of images and captions, by statement: each has rules, and an example.

The other half of `test_seed.py`: these statements need the images and the captions opened. Each example is a folder, in
the words of `lora_doctor.dataset.described`, and what is said to `lora-doctor dataset` about it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from lora_doctor.cli import run
from lora_doctor.dataset.arrays import missing

pytestmark = pytest.mark.skipif(bool(missing()), reason="images are read with the data extra: lora-doctor[data]")
GOOD = (
    "sks jewelry photo, 18k gold engagement ring with oval cut diamond, soft studio lighting, dark velvet background, "
    "macro photography, sharp focus on gemstone facets"
)
BAD = "ring on dark background"
CONFIG = 'output = "out"\n[model]\npath = "black-forest-labs/FLUX.2-klein-base-9B"\n[[data]]\nfolder = "data"\n'


def images(count: int, tail: str = "") -> str:
    return "".join(f"{n:03}.png: 96x96 photo{tail}\n" for n in range(count))


def captions(*texts: str) -> str:
    return "".join(f"{n:03}.png: 96x96 photo\n{n:03}.txt: {text}\n" for n, text in enumerate(texts))


class Statement(NamedTuple):
    """A statement in our words, the rules that speak of it, a folder on which each of them fires, and what is said."""

    says: str
    rules: tuple[str, ...]
    folder: str
    options: tuple[str, ...] = ()
    config: str = ""


STATEMENTS = (
    Statement("a subject needs 3 images", ("too-few-images",), images(2), ("--purpose", "subject")),
    Statement("15 of a subject are enough", ("more-images-than-useful",), images(16), ("--purpose", "subject")),
    Statement("a style needs 15", ("too-few-images",), images(14), ("--purpose", "style")),
    Statement("50 of a style are enough", ("more-images-than-useful",), images(51), ("--purpose", "style")),
    Statement("a domain needs 30", ("too-few-images",), images(29), ("--purpose", "domain")),
    Statement("a complex domain needs 50", ("too-few-images",), images(49), ("--purpose", "complex-domain")),
    Statement(
        "name material, texture, lighting, angle, focal length, depth of field, background, style",
        ("details-not-described",),
        captions(*[f"{BAD}, number {n}" for n in range(6)]),
    ),
    Statement(
        "detailed captions matter more than quantity",
        ("bare-captions",),
        captions("ring", "ring", "a ring", "ring", "ring"),
        config=CONFIG,
    ),
    Statement(
        "the token must not collide with meanings of the vocabulary",
        ("trigger-is-an-ordinary-word",),
        captions("ring on slate"),
        config=CONFIG.replace("[[data]]", '[captions]\ntrigger = "ring"\n[[data]]'),
    ),
    Statement(
        "a rare token such as sks, which names a rifle",
        ("trigger-with-a-meaning",),
        captions("sks ring on slate"),
        config=CONFIG.replace("[[data]]", '[captions]\ntrigger = "sks"\n[[data]]'),
    ),
    Statement(
        "define one trigger per style",
        ("several-triggers",),
        captions(*[f"{word} ring on {ground}" for word in ("zwx", "qvk") for ground in ("slate", "sand", "moss")]),
    ),
    Statement(
        "the trigger word is required for activation",
        ("trigger-missing-from-captions",),
        captions("zwx ring on slate", "zwx ring on sand", "ring on moss"),
        ("--trigger", "zwx"),
    ),
    Statement("at least the resolution of training", ("images-enlarged",), images(1), ("--trainer", "sd-scripts")),
    Statement("JPG acceptable if of high quality", ("jpeg-artefacts",), "a.jpg: 400x400 photo quality=30\n"),
    Statement(
        "mix angles, lighting, compositions",
        ("little-variety",),
        "a.png: 300x300 photo\n" + "".join(f"{n}.png: 300x300 like=a.png grain={n + 5}\n" for n in range(9)),
    ),
    Statement(
        "remove blurred examples",
        ("blurred-images",),
        "a.png: 512x512 photo blur=3\nb.png: 512x512 photo\n",
        ("--resolution", "512"),
    ),
    Statement("remove poorly lit examples", ("underexposed-images",), "a.png: 400x400 photo dark=0.1\n"),
    Statement("remove burnt-out examples", ("overexposed-images",), "a.png: 400x400 photo bright=4\n"),
    Statement(
        "remove atypical examples",
        ("atypical-images",),
        "".join(f"{n}.png: 300x300 photo\n" for n in range(10)) + "k.png: 900x120 black\n",
    ),
    Statement(
        "curated rather than many: copies",
        ("identical-images",),
        "a.png: 300x300 photo\nb.png: 300x300 like=a.png\n",
    ),
    Statement(
        "training images reproduced exactly: copies, with one caption too",
        ("near-duplicates", "same-caption-again"),
        "a.png: 400x400 photo\na.txt: zwx ring\nb.jpg: 300x300 like=a.png quality=60\nb.txt: zwx ring\n"
        "c.png: 400x400 photo\nc.txt: zwx ring on slate\n",
    ),
    Statement(
        "prompts ignored: more diverse captions",
        ("word-in-every-caption",),
        captions(*[f"zwx ring on dark velvet, number {n}" for n in range(8)]),
    ),
    Statement(
        "masks are black and white: white trains",
        ("grey-masks",),
        "a.png: 128x128 photo\nmasks/a.png: 128x128 mid\n",
        ("--masks", "data/masks"),
    ),
    Statement(
        "a mask for each image",
        ("masks-missing-or-spare",),
        "a.png: 128x128 photo\nb.png: 128x128 photo\nmasks/a.png: 128x128 half\n",
        ("--masks", "data/masks"),
    ),
    Statement(
        "editing needs pairs, before and after",
        ("pairs-do-not-match",),
        "a.png: 128x128 photo\nb.png: 128x128 photo\nbefore/a.png: 128x128 photo\nbefore/c.png: 128x128 photo\n",
        ("--control", "data/before"),
    ),
)


def found(statement: Statement, capsys: pytest.CaptureFixture[str]) -> set[str]:
    from lora_doctor.dataset.described import write_described

    Path("data").mkdir()
    write_described(statement.folder, Path("data"))
    command = ["dataset", "data", *statement.options]
    if statement.config:
        Path("config.toml").write_text(statement.config, encoding="utf-8")
        command = ["dataset", "--config", "config.toml"]
    code = run([*command, "--json", "--no-cache"])
    told = capsys.readouterr()
    assert code in (0, 1), told.err
    return {each["rule"] for each in json.loads(told.out)["findings"]}


@pytest.mark.parametrize("statement", STATEMENTS, ids=[s.says for s in STATEMENTS])
def test_statement(
    statement: Statement, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert set(statement.rules) <= found(statement, capsys)


ABOUT_DETAIL = {"details-not-described", "bare-captions", "tags-for-a-sentence-reader", "caption-cut-off"}


def test_the_notes_good_caption_is_good_and_the_bad_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    grounds = ("velvet", "slate", "linen", "oak", "marble", "silk", "sand")
    good = captions(*[GOOD.replace("velvet", ground) for ground in grounds])
    assert not found(Statement("", (), good, config=CONFIG), capsys) & ABOUT_DETAIL
    (tmp_path / "bad").mkdir()
    monkeypatch.chdir(tmp_path / "bad")
    bad = captions(*[f"ring on {ground} background" for ground in grounds])
    assert found(Statement("", (), bad, config=CONFIG), capsys) & ABOUT_DETAIL
