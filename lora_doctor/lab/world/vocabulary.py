"""The words of the world and what each looks like. Colours are sRGB bytes; lengths are shares of the picture's edge."""

from __future__ import annotations

from typing import Final

PIXELS: Final = 64  # edge of a picture as the pipelines are trained

COLOURS: Final[dict[str, tuple[int, int, int]]] = {
    "red": (212, 38, 40),
    "orange": (244, 140, 28),
    "yellow": (246, 218, 62),
    "green": (58, 158, 70),
    "cyan": (72, 204, 214),
    "blue": (44, 82, 206),
    "purple": (134, 62, 184),
    "pink": (246, 146, 188),
    "white": (242, 242, 242),
    "black": (30, 30, 34),
}
SHAPES: Final = ("circle", "square", "triangle", "star", "ring", "cross")
CREATURES: Final[dict[str, int]] = {"critter": 4, "beetle": 6}  # name -> number of legs, always
SUBJECTS: Final = (*SHAPES, *CREATURES)  # what the pipelines are pretrained on

# Never in pretraining. The first three are for choosing thresholds, the others for reporting with them.
HELD_OUT_SUBJECTS: Final = ("robot", "mushroom", "lizard", "rocket", "fish", "cottage")
HELD_OUT_STYLES: Final = ("sepia", "neon", "mosaic", "blueprint", "monochrome", "pastel")
HELD_OUT_LIMBS: Final[dict[str, int]] = {"lizard": 4}

TEXTURES: Final = ("plain", "striped", "dotted")
MATERIALS: Final = ("matte", "shiny")
LIGHTS: Final = ("soft", "side", "dim")
BACKGROUNDS: Final = ("plain", "gradient", "tiled")
MEDIA: Final = ("photo", "drawing")
SIZES: Final[dict[str, float]] = {"small": 0.175, "medium": 0.235, "big": 0.30}  # half the subject's extent
POSITIONS: Final[dict[str, tuple[int, int]]] = {
    "center": (0, 0),
    "left": (-1, 0),
    "right": (1, 0),
    "top": (0, -1),
    "bottom": (0, 1),
}

# Left unsaid in a caption: what a person would not mention.
UNSAID: Final = {"texture": "plain", "material": "matte", "size": "medium", "background": "plain"}

# Classes of each attribute in the order that classifiers use.
ATTRIBUTES: Final[dict[str, tuple[str, ...]]] = {
    "subject": (*SUBJECTS, *HELD_OUT_SUBJECTS),
    "colour": tuple(COLOURS),
    "texture": TEXTURES,
    "material": MATERIALS,
    "light": LIGHTS,
    "ground": tuple(COLOURS),
    "background": BACKGROUNDS,
    "position": tuple(POSITIONS),
    "size": tuple(SIZES),
    "medium": MEDIA,
    "style": ("none", *HELD_OUT_STYLES),
}
