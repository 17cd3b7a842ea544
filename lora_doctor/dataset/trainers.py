"""What each trainer does to an image before it trains on it.

Read in diffusion-pipe@8f83dbf (models/base.py), ai-toolkit@27a03a91 (toolkit/dataloader_mixins.py),
sd-scripts@48d368fa (library/train_util.py), musubi-tuner@30c658c (dataset/), SimpleTuner@bc8e6ab7
(helpers/image_manipulation/), OneTrainer (modules/util/image_util.py) and diffusers' dreambooth scripts.
"""

from __future__ import annotations

from typing import NamedTuple


class Habits(NamedTuple):
    """`turns`: obeys EXIF orientation; `background`: what shows under transparency. None where it is not known."""

    turns: bool | None = None
    background: str | None = None  # white, or hidden: the colours stored under the transparency


HABITS = {
    "lora-doctor": Habits(True, "white"),
    "diffusion-pipe": Habits(False, "white"),
    "ai-toolkit": Habits(True, "hidden"),
    "sd-scripts": Habits(False, "hidden"),
    "kohya_ss": Habits(False, "hidden"),
    "musubi-tuner": Habits(False, "hidden"),
    "OneTrainer": Habits(True, "hidden"),
    "diffusers": Habits(True, "hidden"),
    "SimpleTuner": Habits(),
}


def habits(trainer: str) -> Habits:
    """Of a trainer by its name; unknown where it is not known."""
    return HABITS.get(trainer, Habits())
