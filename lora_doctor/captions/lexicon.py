"""The eight kinds of detail that a caption for a domain LoRA should name, and the words that name them.

The kinds are those of the field's notes on captions (material, texture, lighting setup, camera angle, focal length,
depth of field, background, style). The lists are our own; they tell that a kind is spoken of, never that it is not
where a caption uses other words. That is why rules look at sets, not at single captions, and only at English.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache, lru_cache

KINDS = ("material", "texture", "lighting", "camera angle", "focal length", "depth of field", "background", "style")
EXAMPLES = {
    "material": "18k gold, oak, linen",
    "texture": "brushed, faceted, rough",
    "lighting": "soft studio lighting, backlit",
    "camera angle": "close-up, from above, eye level",
    "focal length": "macro photography, 85mm",
    "depth of field": "sharp focus, blurred background",
    "background": "on dark velvet, in a kitchen",
    "style": "product photo, watercolor, film",
}
# Words of several senses count only where their neighbours say which: gold before a thing, light behind its kind.
_TERMS = {
    "material": r"""
        (?:rose|white|yellow|solid) gold|gold(?= (?:ring|band|chain|leaf|plated|necklace|bracelet|earring|watch
        |engagement
        |wedding|pendant|jewel|coin|frame|thread))|\d{1,2}\s?(?:k|kt|karat|carat)\b
        |golden (?:ring|chain|metal)|made (?:of|from) \w+
        |(?:sterling )?silver(?! hair| car| light| screen| eye| medal|-)
        |platinum(?! blond| hair|-)|brass|bronze|copper
        |(?:stainless )?steel|(?:wrought |cast )?iron(?! man| maiden| grip| age| will)|pewter|alumini?um|titanium|chrome
        |metal(?:lic)?|diamonds?|gem(?:stone)?s?|rub(?:y|ies)|sapphires?|emeralds?|pearls?|opals?|amethysts?|topaz
        |quartz|crystals?|glass|ceramics?|porcelain|clay|terracotta|marble|granite|slate(?! blue| grey| gray)
        |limestone|concrete|bricks?|sandstone|stone(?:ware)?|wood(?:en)?|oak|walnut|pine|mahogany|bamboo|rattan|wicker
        |leather|suede|fur|wool(?:en|len)?|cotton|linen|silk|satin|velvet|denim|lace|knit(?:ted|wear)?|tweed|corduroy
        |chiffon|fabrics?|textiles?|paper|cardboard|parchment|plastic|rubber|resin|acrylic|enamel|vinyl|latex|wax
        |feathers?|foil|tiled?""",
    "texture": r"""
        textur(?:e|es|ed)|smooth(?:ly)?|rough|matte?|glossy|shiny|polished|brushed|hammered|grainy|wrinkl(?:e|es|ed)
        |cracked|weathered|worn(?! by| over| as| with| on| under| in| open| off| low| high| loose)
        |rust(?:y|ed)?|patina|scratched|engrav(?:ed|ing)s?|embossed|carved|woven|quilted
        |ribbed|fuzzy|fluffy|silky|velvety|facet(?:s|ed)?|translucent|transparent|reflective|iridescent|pearlescent
        |bumpy|porous|crisp|wet|dusty|frosted|bevell?ed|brush ?strokes?|impasto|freckle[sd]?|stubble|coarse|pitted
        |crackled?|waxy|knurled|ridged|grooved|knobbly|gnarled|lacquered|glazed
        |veined|peeling|crumpled|pleated|sheer|sparkling|glittering|gleaming|lustrous|satin finish""",
    "lighting": r"""
        (?:soft|hard|harsh|warm|cool|cold|natural|ambient|diffused?|dim|bright|dramatic|studio|window|side|rim|key|fill
        |low|golden|morning|evening|afternoon|artificial|directional|overhead|even|flat|moody|cinematic|neon|stage
        |street|candle|available|dappled|volumetric|back|day|sun|moon|spot|ring)[- ]?light(?:ing|s)?|lighting
        |(?:well|dimly|softly|brightly|back|side|sun|candle|moon|warmly)[- ]?lit|lit (?:by|from|with)|sunshine
        |golden hour|blue hour|overcast|chiaroscuro|rembrandt|neon (?:signs?|glow)|fluorescent|god rays|shadows?
        |silhouett(?:e|ed)|flash|soft ?box(?:es)?|sunset|sunrise|haze|hazy|streetlamps?|lamp(?:s|light)?|lanterns?
        |(?:morning|afternoon|evening|midday|noon|setting|rising|low|late|warm|harsh|winter|summer|bright) sun|dusk
        |dawn|twilight|specular|highlights?|glow(?:ing|s)?
        |high[- ]key|low[- ]key|illuminat(?:ed|ing|ion|es)|light (?:falls|falling|streams|streaming|from|coming)""",
    "camera angle": r"""
        (?:extreme )?close[- ]?ups?|macro(?: shot| view)?|wide[- ]shot|medium[- ](?:close-up|shot)|long shot
        |full[- ]body|full[- ]length|half[- ]body|upper body|waist[- ]up|cowboy shot|head ?shots?|bust (?:shot|portrait)
        |portrait (?:shot|of)|in profile|profile (?:view|shot|of)|side[- ](?:view|profile)|side-on
        |from (?:the )?(?:side|above|below|behind|front|left|right)|front(?:al)?[- ]view|(?:back|rear)[- ]view
        |three[- ]quarters?(?: view)?|3/4 view|top[- ]down|overhead (?:view|shot)|bird'?s[- ]eye|aerial
        |drone (?:shot|view)|worm'?s[- ]eye|(?:low|high|dutch|oblique|camera)[- ]angle|eye[- ]level
        |over[- ]the[- ]shoulder|point of view|pov|establishing shot|flat ?lay|isometric
        |(?:looking|facing|turned) (?:\w+ )?(?:at|up|down|into|towards?|away)?\s?
        (?:the )?(?:camera|viewer|lens|left|right)
        |straight[- ]on|seen from|viewed from|tight crop""",
    "focal length": r"""
        \d{2,3}\s?mm|f\s?/\s?\d(?:\.\d)?|focal length|prime lens|zoom lens|telephoto|fish-?eye
        |(?:ultra[- ])?wide[- ]angle|macro (?:lens|photography|photo|shot|photograph)|tilt[- ]shift|anamorphic
        |(?:medium|large)[- ]format|(?:portrait|long|wide) lens|lens compression""",
    "depth of field": r"""
        depth[- ]of[- ]field|dof|bokeh|(?:shallow|deep|in|out of|sharp|soft|selective|crisp)[- ]focus
        |focus(?:ed|ing)? (?:is )?on|blurr?(?:ed|y)(?: \w+)? (?:background|backdrop|foreground|surroundings|behind)
        |(?:background|foreground|backdrop) (?:is |are )?(?:\w+ )?(?:blurred|blurry|out of focus)|defocus(?:ed)?
        |tack sharp|sharp throughout|f\s?/\s?\d(?:\.\d)?""",
    "background": r"""
        backgrounds?|backdrops?|behind(?: (?:him|her|it|them|the))?|in front of|against (?:a|an|the)
        |(?:in|on|at|inside|outside|by|near|through|along|down|up|across|under|above|over|beside|beneath|into|onto|of)
        (?: (?:a|an|the|its|his|her|their))?(?: [\w-]+){0,2}? (?:street|room|kitchen|bedroom|bathroom
        |hall(?:way)?|corridor|stairs?|staircase|office|classroom|library|museum|gallery|theat(?:er|re)|shop|store|mall
        |market|restaurant|cafe|diner|bar|pub|club|church|cathedral|temple|castle|palace|barn|stable|garage|workshop
        |factory|warehouse|hospital|station|platform|airport|train|bus stop|subway|underground|tunnel|bridge|harbou?r
        |pier|dock|promenade|beach|shore|coast|cliffs?|rocks?|dunes?|desert|forest|woods|jungle|park|garden|orchard
        |vineyard|field|meadow|farm|valley|hill(?:s|side|top)?|mountains?|canyon|cave|lake|pond|river|stream|waterfall
        |ocean|sea|snow|ice|city|town|village|alley(?:way)?|courtyard|square|plaza|sidewalk|pavement|road|highway|path
        |trail|parking lot|rooftop|roof|balcony|terrace|porch|ledge|wall|floor|ceiling|window(?:sill)?|door(?:way|step)?
        |table(?:top)?|desk|counter|shelf|shelves|bench|sofa|couch|bed|bathtub|pool|rug|carpet|blanket|cloth|stage
        |studio|stadium|arena|gym|playground|velvet|slate|sand|marble|stone|concrete|linen|grass|moss|silk|paper(?! of)
        |water|fog|mist)
        |(?:night|cloudy|blue|gr[ae]y|stormy|starry|evening|morning|open|clear) sky|in the distance|far away
        |indoors?|outdoors?|interior|landscape|seascape|cityscape|skyline|seamless|isolated|void|surroundings
        |environment|scenery""",
    "style": r"""
        photo(?:s|graph|graphs|graphy|realism|realistic)?|hyper-?realistic
        |(?:oil |acrylic |digital |gouache )?paintings?|water-?colou?rs?|gouache|sketch(?:es)?|drawings?|illustrations?
        |cartoon|anime|manga|comic|(?:3d )?render(?:ing|ed)?|cgi|vector art|pixel art|line ?art
        |charcoal (?:drawing|sketch)|pastels|pastel (?:drawing|painting)
        |concept art|cel[- ]shad(?:ed|ing)|character sheet|cinematic|polaroid|kodak|portra|vintage|retro
        |minimalis(?:t|m)|baroque|impressionis(?:t|m|tic)
        |art deco|art nouveau|surreal(?:ism|ist)?|pop art|noir|monochrome|black and white|sepia|editorial
        |in the style of|(?<!-)style(?! of (?:her|his|dress))|wood-?cut|stained glass|low poly|claymation
        |engraving|collage|film (?:grain|still)
        |35 ?mm film|analog(?:ue)? film""",
}


@cache
def _pattern(kind: str) -> re.Pattern[str]:
    terms = re.sub(r"\n\s+", "", _TERMS[kind].strip())
    return re.compile(rf"(?<!\w)(?:{terms})(?!\w)", re.I)


@lru_cache(maxsize=8192)
def covered(text: str) -> frozenset[str]:
    """The kinds of detail a caption speaks of."""
    return frozenset(kind for kind in KINDS if _pattern(kind).search(text))


def coverage(texts: Iterable[str]) -> Counter[str]:
    """In how many texts each kind is spoken of."""
    counts = Counter(dict.fromkeys(KINDS, 0))
    for text in texts:
        counts.update(covered(text))
    return counts


def spoken(text: str, kind: str) -> str | None:
    """The first words of a caption that name a kind of detail."""
    match = _pattern(kind).search(text)
    return match.group() if match else None
