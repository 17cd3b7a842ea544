"""How often the lexicon of caption details is right, on captions of several styles labelled by hand.

    python benchmarks/caption_lexicon.py

Each caption is labelled with the kinds it speaks of, as a person reads it, before the lexicon was run on it. The words
were extended by what the first part showed; what counts is the second, which was written after that and changed
nothing. The author of both had read the lexicon, so take recall as an upper bound.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from lora_doctor.captions.lexicon import KINDS, covered

# ruff: noqa: E501 a caption a line
LETTERS = dict(zip("mtlafdbs", KINDS))  # material texture lighting angle focal depth background style
# letters | caption
FIRST = """
mlb | A woman in a wool coat waits at a bus stop under a flickering streetlamp, rain behind her.
ms | zwx ring, yellow gold, studio product photograph
mtldbs | zwx ring, 18k white gold with a brushed band, rim light, shallow depth of field, charcoal backdrop, product photo
a | 1girl, solo, long hair, looking at viewer, smile, upper body
abs | 1girl, silver hair, red eyes, from below, night sky, city lights in the distance, anime
lb | A lighthouse on a cliff at dusk, waves breaking on the rocks.
mb | an old leather suitcase on a railway platform
 | a dog
 | zwx man smiling
 | portrait of zwx
ls | Moody black and white shot of a jazz trumpeter, lit by a single lamp.
b | zwx cat asleep on a sofa
db | the subject is in sharp focus while the crowd behind him blurs into soft shapes
mt | Hand-thrown stoneware bowl with a crackled glaze
mtb | cracked terracotta pots lined up along a garden wall
fs | shot on a 50mm lens, Kodak Portra 400
fds | 85mm, f/1.4, creamy bokeh, headshot photography
as | isometric pixel art of a bakery
s | watercolor of two foxes
ms | charcoal sketch on rough paper of a seated nude
mts | oil painting, thick impasto, a bowl of lemons on a pewter plate
a | extreme close-up of an eye
ab | bird's-eye view of a market square
ab | she is seen from behind, walking down a corridor
a | three-quarter view of a sports car
lb | The room is bathed in warm afternoon sun that falls through half-open blinds.
l | harsh midday sun, deep shadows across his face
l | overcast, flat light
l | backlit by the setting sun, her hair glowing
lb | neon signs reflect in puddles on an empty Tokyo street
b | in front of a brick wall
b | plain white background
b | standing in a wheat field with mountains far away
mb | A silk scarf draped over the back of a chair in a sunlit kitchen
mt | rusted iron chain
mt | polished marble floor
t | his weathered face is full of wrinkles
t | a fluffy kitten
m | a necklace of freshwater pearls
m | a denim jacket with brass buttons
m | knitted sweater
 | a woman named Ruby laughs
 | a boy with light brown hair and a blue cap
 | the golden retriever runs
 | the team celebrates its silver medal
 | her eyes look tired
 | a girl with short blonde hair, green eyes and freckles on the nose, wearing a school uniform
ab | low-angle shot of a skateboarder above the rim of a bowl, sky behind
fb | wide-angle interior of a cathedral
f | fisheye lens
f | telephoto shot of a heron
d | tilt of the head, everything but the hands out of focus
d | deep focus
s | cyberpunk concept art
s | in the style of a 1970s polaroid
s | low-poly 3D render
ls | cinematic still, teal and orange grading, volumetric haze
mtlb | Dew drops bead on the waxy skin of a red apple, morning light, dark wooden table
mb | glass bottles on a windowsill
tb | rough sea under a grey sky
mtlafdbs | macro photograph, 100mm lens, side view of a faceted sapphire ring on black velvet, softbox lighting, focus on the stone
lbs | vintage postcard of a seaside promenade at sunset
as | full-body character sheet, front, side and back views, cel-shaded
b | a robot, simple background
 | score_9, score_8_up, 1boy, armor, sword
lb | candles light the long table in the great hall
mb | concrete stairs, underground station
a | profile of an old sailor smoking a pipe
ad | over-the-shoulder shot, background out of focus
mt | matte black aluminium body with a knurled ring
s | children's book illustration of a hedgehog with an umbrella
b | The hikers rest beside a mountain lake.
t | sheer, pleated skirt
m | a cardboard box full of feathers
lt | wet asphalt shines under the headlights
"""
SECOND = """
mlb | A blacksmith hammers glowing steel beside the furnace, sparks lighting the workshop.
 | zwx woman dancing
ab | zwx dog seen from the side, running across a snowy field
m | a pair of suede boots
mtb | worn leather armchair next to a fireplace
lb | Fog hangs over the harbour at dawn; only the masts are visible.
s | a tarot card in art nouveau style
afds | headshot, 135mm, f/2, background falls away into bokeh, editorial photo
b | children play in the courtyard of an old school
l | dramatic side light leaves half of his face in darkness
t | a glossy red balloon
mt | brushed aluminium laptop lid
mb | wooden crates stacked on the quay
b | 1girl, solo, sitting, classroom, window, school desk
abs | 1boy, cowboy shot, forest, sketch, monochrome
ms | product photo of a ceramic mug
lmb | porcelain vase in a niche, lit from above
a | top-down view of breakfast
b | The astronaut floats in front of the earth.
db | a bee on a lavender blossom, the meadow behind it is a green blur
f | captured with an anamorphic lens
s | a stained glass window showing a dragon
mb | velvet curtains frame the stage
tb | cracked mud on the bottom of a dry lake
lf | long exposure of star trails, 14mm
as | dutch angle, film noir
 | two old friends embrace and laugh
 | a grey cat with yellow eyes and a torn ear
l | candlelight flickers over her hands
ml | chrome bumper with crisp highlights
b | a lone tree on a hilltop
mt | rough-hewn granite blocks
ab | view from above of a swimming pool
lb | sunlight filters through the canopy of a rainforest
mtls | macro shot of hammered copper, raking light, product photography
ds | selective focus, analog film photo of a dandelion
s | flat vector illustration, bold outlines
mb | linen napkins on an oak table
 | he wears a blue hat and holds an umbrella
t | shaggy highland cow
lb | the skyline glitters after sunset
a | looking up at the camera, full body
m | origami crane folded from gold foil
b | on a beige seamless backdrop
lt | moonlight on rippling water
"""


def labelled(captions: str) -> Iterator[tuple[frozenset[str], str]]:
    """The kinds of each caption, and the caption."""
    for line in captions.strip("\n").splitlines():
        letters, _, text = line.partition(" | ")
        yield frozenset(LETTERS[letter] for letter in letters.strip()), text.strip()


def rates(captions: str) -> dict[str, tuple[int, int, int]]:
    """By kind: labelled and found, found without a label, labelled and not found."""
    counts = {}
    for kind in KINDS:
        pairs = [(kind in kinds, kind in covered(text)) for kinds, text in labelled(captions)]
        counts[kind] = pairs.count((True, True)), pairs.count((False, True)), pairs.count((True, False))
    return counts


def show(captions: str) -> None:
    """A table."""
    print(f"{len(list(labelled(captions)))} captions\nkind             recall  precision  (labelled)")
    counts = rates(captions)
    for kind, (right, false, missed) in counts.items():
        print(f"{kind:15}  {right / (right + missed):6.2f}  {right / (right + false):9.2f}  ({right + missed})")
    right, false, missed = (sum(each) for each in zip(*counts.values()))
    print(f"{'all':15}  {right / (right + missed):6.2f}  {right / (right + false):9.2f}  ({right + missed})\n")


def main() -> None:
    """Both parts; with an argument, every mistake too."""
    for captions in (FIRST, SECOND):
        show(captions)
        for kinds, text in labelled(captions) if sys.argv[1:] else ():
            if kinds != covered(text):
                print(f"- {text}\n    missed {sorted(kinds - covered(text))}, false {sorted(covered(text) - kinds)}")


if __name__ == "__main__":
    main()
