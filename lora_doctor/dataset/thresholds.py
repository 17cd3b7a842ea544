"""Where measurements begin to matter. Set on one half of the pictures of `benchmarks/dataset_accuracy.py`.

Blur, exposure and JPEG limits start from measurements on 1,484 variants of 41 photographs; the benchmark reports
precision and recall for these very numbers on pictures they were not set on.
"""

BLUR = 1.1  # pixels at training resolution: no sharp or shallow-focus photograph of the benchmark reached it
STRONG_BLUR = 2.0
DETAIL = 0.7  # of the width: less was enlarged, or is softer than its size says
NOISE = 18.0  # levels, at training resolution
POOR_JPEG = 50  # quality
FAIR_JPEG = 75
GRID = 1.13  # strength of the 8 x 8 grid: clean pictures of 200 rows or more stay below 1.11
DARK = 110  # levels: the 99.9th percentile of an image without any light in it
DARK_MIDDLE = 60  # levels: its median; a dim picture with a bright middle is meant
CLIPPED = 0.2  # of the pixels
FAR_CLIPPED = 0.3
CONTRAST = 90  # levels between the 0.1st and the 99.9th percentile
PAPER = 250  # levels: the median of what is drawn on white
GREY = 2.0  # levels between channels
HIDDEN = 20.0  # levels from white
TRANSPARENT = 0.001  # of the pixels
ENLARGED = 1.1  # times
FAR_ENLARGED = 1.5
CUT = 0.15  # of the image
FAR_CUT = 0.35
ENOUGH = 24  # images: a larger set need not be more varied than this many
FEW_DISTINCT = 0.25  # of the images: variety below this is remarked on
