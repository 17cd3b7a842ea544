"""Dataset folders as users have them: pictures, a caption beside each, a trigger word, and defects if asked for."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np
from PIL import Image

from .defects import DEFECTS, Entry
from .pairs import Edit
from .render import Picture, mask, render
from .scene import Scene, caption, random_scene
from .vocabulary import HELD_OUT_STYLES, PIXELS, SUBJECTS

EDGE: Final = 512  # px; the exam's thresholds mean nothing on pictures of 64

ROUGH: Final = 2.5  # standard deviation of each octave of grain, in sRGB steps


class Asked(NamedTuple):
    """What a folder shall teach: a held-out subject or style, under a trigger word.

    `alike`: every caption is the same, which teaches the word everything that the pictures have in common.
    `pictures`: `any`, of one white `ground`, or a `logo`, one big blue drawing in one place, drawn again and again.
    """

    what: str
    trigger: str = "zwx"
    number: int = 8
    seed: int = 0
    edge: int = EDGE
    alike: bool = False
    pictures: str = "any"


class Written(NamedTuple):
    """One file of a folder: its name, the scene, the caption, and the defect it was given."""

    name: str
    scene: Scene
    caption: str
    defect: str | None = None


def planned(asked: Asked) -> list[Scene]:
    """The scenes of a folder; those of another seed are held-out ones."""
    rng = random.Random(f"{asked.what} {asked.seed}")
    if asked.what in HELD_OUT_STYLES:
        found = [random_scene(rng, SUBJECTS)._replace(style=asked.what) for _ in range(asked.number)]
    else:
        found = [random_scene(rng, (asked.what,)) for _ in range(asked.number)]
    if asked.pictures == "ground":
        return [scene._replace(ground="white", background="plain", light="soft") for scene in found]
    if asked.pictures == "logo":
        return [Scene(asked.what, "blue", size="big", medium="drawing", seed=scene.seed) for scene in found]
    return found


def captioned(scene: Scene, asked: Asked) -> str:
    """What a user would write: the trigger names the subject or the style, everything else is said."""
    if asked.what in HELD_OUT_STYLES:
        if asked.alike:
            return f"a picture, {asked.trigger} style"
        return caption(scene._replace(style=asked.trigger))
    name = f"{asked.trigger} {asked.what}"
    return f"photo of a {name}" if asked.alike else caption(scene, name=name)


def grained(picture: Picture, seed: int) -> Picture:
    """The picture on a rough ground, finely grained: detail as photographs have, gone at the micro models' 64 px."""
    edge = picture.shape[0]
    draw = np.random.default_rng(seed)
    rough = np.zeros((edge, edge), np.float32)
    for wide in (4.0, 2.0, 1.0, 0.0):
        layer = draw.normal(0, 1, (edge, edge)).astype(np.float32)
        layer = np.asarray(cv2.GaussianBlur(layer, (0, 0), wide) if wide else layer, np.float32)
        rough += ROUGH * layer / layer.std()
    fine = cv2.GaussianBlur(rough, (0, 0), edge / PIXELS / 2)
    return np.asarray(np.clip(picture + (rough - fine)[..., None] + 0.5, 0, 255), np.uint8)


def write_folder(path: Path, asked: Asked, defects: Sequence[str] = ()) -> list[Written]:
    """Writes pictures and captions to `path`; the first pictures get the defects named (keys of `DEFECTS`)."""
    if len(defects) > asked.number:
        raise ValueError(f"{len(defects)} defects for {asked.number} pictures: one picture has one defect at most")
    path.mkdir(parents=True, exist_ok=True)
    rng = random.Random(asked.seed)
    written = []
    for index, scene in enumerate(planned(asked)):
        entry = Entry(path, f"{asked.what}-{index + 1:02}", captioned(scene, asked))
        Image.fromarray(grained(render(scene, asked.edge), scene.seed)).save(entry.image)
        entry.text.write_text(entry.caption + "\n", encoding="utf-8")
        defect = defects[index] if index < len(defects) else None
        if defect is not None:
            DEFECTS[defect].spoil(entry, rng)
        written.append(Written(entry.image.name, scene, entry.caption, defect))
    return written


def write_masks(path: Path, asked: Asked) -> None:
    """Masks with the names of the pictures that `write_folder` writes for the same `asked`."""
    path.mkdir(parents=True, exist_ok=True)
    for index, scene in enumerate(planned(asked)):
        Image.fromarray(mask(scene, asked.edge)).save(path / f"{asked.what}-{index + 1:02}.png")


def write_pairs(path: Path, edits: Sequence[Edit], edge: int = EDGE) -> None:
    """`control/` and `target/` with the same names; the instruction is the target's caption."""
    for folder in ("control", "target"):
        (path / folder).mkdir(parents=True, exist_ok=True)
    for index, edit in enumerate(edits):
        name = f"edit-{index + 1:02}"
        Image.fromarray(render(edit.before, edge)).save(path / "control" / f"{name}.png")
        Image.fromarray(render(edit.after, edge)).save(path / "target" / f"{name}.png")
        (path / "target" / f"{name}.txt").write_text(edit.instruction + "\n", encoding="utf-8")
