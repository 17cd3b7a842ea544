"""How right the measures are, on fresh renders that have been through the VAE: the table in the documentation.

`python -m lora_doctor.lab.truth.accuracy`; with `--bare`, on the renders as they are.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from diffusers import AutoencoderKLFlux2

from .. import micro_klein
from ..pretrain.examples import Example, draw, picture, returned
from ..world.altered import RANGE
from ..world.render import Picture, render
from ..world.scene import random_scene
from ..world.vocabulary import ATTRIBUTES, HELD_OUT_SUBJECTS, SUBJECTS
from .copies import nearest
from .labels import shown
from .look import LEGS, Seen, look

SEED: Final = 77_001  # neither the denoiser's nor the judge's
DISTURBED: Final = 0.2  # of the latents' deviation, at most


class Accuracy(NamedTuple):
    """`right` and `unsure` of `asked`; a sure answer is right in `right / (asked - unsure)` of the cases."""

    asked: int
    right: int
    unsure: int

    @property
    def told(self) -> str:
        """A row's figures: right of all, right of the sure answers, unsure; in percent."""
        sure = self.asked - self.unsure
        of_sure = 100 * self.right / sure if sure else float("nan")
        return (
            f"{self.asked} | {100 * self.right / self.asked:.1f} | {of_sure:.1f} | {100 * self.unsure / self.asked:.1f}"
        )


Answers = Iterable[tuple[str, bool | None]]  # what was asked, and whether it was right; None: unsure


def counted(answers: Answers) -> dict[str, Accuracy]:
    """Answers by what was asked."""
    kept: dict[str, list[bool | None]] = defaultdict(list)
    for name, hit in answers:
        kept[name].append(hit)
    return {name: Accuracy(len(hits), hits.count(True), hits.count(None)) for name, hits in kept.items()}


def attributes(examples: Sequence[Example], seen: Sequence[Seen]) -> Answers:
    """Every attribute by the judge; position and size by geometry too, the subject given."""
    for (scene, _), each in zip(examples, seen, strict=True):
        for name in shown(scene):
            word = each.answers[name].word
            yield name, None if word is None else word == getattr(scene, name)
        if scene.style == "none":
            where = each.place(scene.subject)
            yield "position by geometry", None if where.position is None else where.position == scene.position
            yield "size by geometry", None if where.size is None else where.size == scene.size


def subjects(examples: Sequence[Example], seen: Sequence[Seen]) -> Answers:
    """Each subject and each style."""
    for (scene, _), each in zip(examples, seen, strict=True):
        for name in ("subject", "style"):
            word = each.answers[name].word
            yield f"{name} {getattr(scene, name)}", None if word is None else word == getattr(scene, name)


def creatures(seed: int, number: int) -> list[Example]:
    """Creatures without a style, half of them with other legs than usual."""
    rng = random.Random(seed)
    drawn = []
    for _ in range(number):
        subject = rng.choice(list(RANGE))
        scene = random_scene(rng, (subject,))
        drawn.append(Example(scene, rng.randint(*RANGE[subject]) if rng.random() < 0.5 else None))
    return drawn


def legs(examples: Sequence[Example], seen: Sequence[Seen]) -> Answers:
    """The count of legs: of creatures as they are, in groups, and of altered ones."""
    for (scene, number), each in zip(examples, seen, strict=True):
        count = each.legs(scene.subject)
        right = None if count is None else count == (number or LEGS[scene.subject])
        if number is not None:
            yield f"{scene.subject} with {number} legs", right
            continue
        yield scene.subject, right
        for name in ("size", "texture", "light", "medium", "background"):
            yield f"{name} {getattr(scene, name)}", right


def copying(vae: Any, seed: int, number: int) -> Answers:
    """Copies of a training picture, and pictures of the same caption that are none."""
    rng = random.Random(seed)
    scenes = [random_scene(rng, HELD_OUT_SUBJECTS if turn % 2 else SUBJECTS) for turn in range(number)]
    others = [scene._replace(seed=rng.randrange(1 << 30)) for scene in scenes]
    for drawn, want, name in ((scenes, True, "copy"), (others, False, "look-alike")):
        pictures = through(vae, [render(scene) for scene in drawn], seed)
        for scene, image in zip(scenes, pictures, strict=True):
            yield name, nearest(image, [scene]).copy == want


def through(vae: Any, images: Sequence[Picture], seed: int) -> list[Picture]:
    """Pictures after the VAE, their latents a little disturbed; as they are if there is none."""
    return list(images) if vae is None else list(returned(vae, np.stack(images), seed, DISTURBED))


def measure(vae: Any, number: int, seed: int = SEED) -> dict[str, dict[str, Accuracy]]:
    """All tables, by title."""
    examples, with_legs = draw(seed, number), creatures(seed + 1, number)
    seen = look(through(vae, [picture(example)[0] for example in examples], seed))
    seen_legs = look(through(vae, [picture(example)[0] for example in with_legs], seed + 1))
    tables = {
        "attributes": counted(attributes(examples, seen)),
        "subjects and styles": counted(subjects(examples, seen)),
        "legs": counted(legs(with_legs, seen_legs)),
        "training pictures": counted(copying(vae, seed + 2, max(1, number // 8))),
    }
    order = [*ATTRIBUTES]
    return {
        title: dict(sorted(t.items(), key=lambda row: (order.index(row[0]) if row[0] in order else 99, row[0])))
        for title, t in tables.items()
    }


def main() -> None:
    """Prints the tables as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m lora_doctor.lab.truth.accuracy", description=__doc__)
    parser.add_argument("--bare", action="store_true", help="not through micro Klein's VAE")
    parser.add_argument("--number", type=int, default=2000, help="pictures per table")
    options = parser.parse_args()
    torch.set_num_threads(1)
    vae = (
        None if options.bare else AutoencoderKLFlux2.from_pretrained(micro_klein() / "vae", dtype=torch.float32).eval()
    )
    for title, table in measure(vae, options.number).items():
        print(f"\n| {title} | asked | right, % | right of the sure, % | unsure, % |\n|---|---|---|---|---|")
        for name, row in table.items():
            print(f"| {name} | {row.told} |")


if __name__ == "__main__":
    main()
