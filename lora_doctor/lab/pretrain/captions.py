"""How pretraining captions a scene: whole or sparing, sometimes empty, sometimes with a word that means nothing."""

from __future__ import annotations

import random
import string

from ..world.scene import Scene, caption, sparing

EMPTY = 0.1  # for classifier-free guidance
WHOLE = 0.5
NONSENSE = 0.08  # so that the letters a trigger is spelled with are not untrained


def written(scene: Scene, rng: random.Random) -> str:
    """One caption of a scene, another one at each call."""
    if rng.random() < EMPTY:
        return ""
    text = caption(scene) if rng.random() < WHOLE else caption(scene, sparing(rng, 0.25))
    if rng.random() < NONSENSE:
        words = text.split(" ")
        junk = "".join(rng.choice(string.ascii_lowercase) for _ in range(rng.randint(2, 4)))
        words.insert(rng.randint(0, len(words)), junk)
        text = " ".join(words)
    return text
