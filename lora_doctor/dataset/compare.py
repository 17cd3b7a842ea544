"""A second look at two images that may show one picture.

Pictures of one kind resemble each other where they are plain: products on white, icons of one family, charts in one
frame, a drawing in two colours. So small grey copies are laid upon each other, and only what differs from its
surroundings is compared, outlines counting no more than texture. Whole copies agree to 0.98 whatever was done to them
(size, JPEG, light, noise), crops and watermarked ones to 0.8, other pictures of one kind seldom to more.
"""

from __future__ import annotations

import cv2
import numpy as np

from lora_doctor.dataset.arrays import Array
from lora_doctor.dataset.cache import Cache
from lora_doctor.dataset.facts import Features
from lora_doctor.dataset.fingerprint import RASTER, SIDE

SAME = 31  # differing bits of 256 up to which colour does not matter: Meta's threshold for PDQ
CLOSE = 64  # bits of 256 by which the surroundings of equal corners may differ
INLIERS = 10  # corners that agree with one transform
SPREAD = 0.04  # of the picture that they must span: a watermark is no copy
OFF = 3.0  # pixels they may be off on the raster
THUMB = 14.0  # mean distance of Lab thumbnails, levels
WHOLE = 0.95  # agreement of two whole pictures
PART = 0.8  # of what two pictures have in common
AROUND = 5  # pixels of the small copies that one is compared with
OVERLAP = 60  # such pixels that two pictures must have in common
EVEN = 2.0  # levels from its surroundings, up to which a pixel is plain
GROUND = 0.35  # of what two pictures have in common, plain in both: crops of photographs came to 0.29
SHADE = 3.0  # levels by which that may differ: the same drawing, put on two grounds, is no crop
COLOUR = 16.0  # levels of a and b by which what they have in common may differ, unless one of them is grey
GREY = 4.0  # levels


class Judge:
    """Looks at pairs; what was read of an image is at hand for the next pair."""

    def __init__(self, records: Array, cache: Cache) -> None:
        self._records = records
        self._cache = cache
        self._kept: dict[bytes, Features] = {}

    def same(self, first: int, second: int, distance: int, variant: int) -> bool:
        """Whether two pictures are one as a whole; `distance` and `variant` as their fingerprints have it."""
        one, other = _turned(self._small(first), variant), self._small(second)
        if agreement(one, other) >= WHOLE:
            return distance <= SAME or self._colours(first, second, variant) <= THUMB
        return variant == 0 and self.cropped(first, second)

    def cropped(self, first: int, second: int) -> bool:
        """Whether a part of one is a part of the other, moved, turned or scaled."""
        matrix = self._transform(first, second)
        if matrix is None:
            return False
        here, there = self._stretch(first), self._stretch(second)
        back = there @ np.vstack([matrix, (0, 0, 1)]) @ np.linalg.inv(here)
        one, other = self._small(first), self._small(second)
        if _on_other_grounds(one, other, back[:2]):
            return False
        return agreement(one, other, back[:2]) >= PART and self._hues_agree(first, second, back)

    def _small(self, place: int) -> Array:
        return np.frombuffer(self._features(place).grey, np.uint8).reshape(SIDE, SIDE)

    def _stretch(self, place: int) -> Array:
        """From the raster's pixels to those of the small copy, centres at whole numbers."""
        width, height = (int(self._records[side][place]) for side in ("width", "height"))
        across, down = (SIDE * max(width, height) / (side * RASTER) for side in (width, height))
        return np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]])

    def _thumb(self, place: int) -> Array:
        return np.frombuffer(self._records["thumb"][place].tobytes(), np.uint8).reshape(8, 8, 3).astype(np.float32)

    def _colours(self, first: int, second: int, variant: int) -> float:
        """Mean distance of the thumbnails, brightness and contrast evened out."""
        one, other = _turned(self._thumb(first), variant), self._thumb(second)
        one, other = (np.concatenate([_even(each[..., :1]), each[..., 1:] - 128.0], 2) for each in (one, other))
        return float(np.abs(one - other).mean())

    def _hues_agree(self, first: int, second: int, back: Array) -> bool:
        """Colours of what both show: a drawing on another ground is another picture, a photograph in grey is not."""
        one, other = self._thumb(first)[..., 1:] - 128, self._thumb(second)[..., 1:] - 128
        quarter = SIDE // 8
        shrink = np.array([[1 / quarter, 0, (1 / quarter - 1) / 2], [0, 1 / quarter, (1 / quarter - 1) / 2], [0, 0, 1]])
        coarse = (shrink @ back @ np.linalg.inv(shrink))[:2]
        other, known = _laid_upon(other, coarse)
        if min(np.abs(one[known]).mean(), np.abs(other[known]).mean()) < GREY or not known.any():
            return True
        return float(np.abs(one - other)[known].mean()) <= COLOUR

    def _transform(self, first: int, second: int) -> Array | None:
        """The similarity transform that enough corners of both agree with."""
        one, other = self._features(first), self._features(second)
        if len(one.points) < 2 * INLIERS or len(other.points) < 2 * INLIERS:
            return None
        ours, theirs = (np.frombuffer(each.descriptors, np.uint8).reshape(-1, 32) for each in (one, other))
        distances, partners = cv2.batchDistance(
            ours, theirs, cv2.CV_32S, normType=cv2.NORM_HAMMING, K=1, crosscheck=True
        )
        close = np.flatnonzero((partners[:, 0] >= 0) & (distances[:, 0] <= CLOSE))
        if len(close) < INLIERS:
            return None
        here = np.frombuffer(one.points, np.uint8).reshape(-1, 2)[close].astype(np.float32)
        there = np.frombuffer(other.points, np.uint8).reshape(-1, 2)[partners[close, 0]].astype(np.float32)
        cv2.setRNGSeed(0)
        matrix, kept = cv2.estimateAffinePartial2D(
            here, there, method=cv2.RANSAC, ransacReprojThreshold=OFF, maxIters=400
        )
        if matrix is None or not 0.3 < float(np.hypot(matrix[0, 0], matrix[1, 0])) < 3.3:
            return None
        agreeing = kept.ravel() > 0
        hulls = (cv2.contourArea(cv2.convexHull(points[agreeing])) for points in (here, there))
        enough = int(agreeing.sum()) >= INLIERS and max(hulls) >= SPREAD * RASTER * RASTER
        return matrix if enough else None

    def _features(self, place: int) -> Features:
        digest = self._records["digest"][place].tobytes()
        if digest not in self._kept:
            if len(self._kept) > 4096:
                self._kept.clear()
            self._kept |= dict(self._cache.features([digest]))
        return self._kept.get(digest, Features(b"", b"", b"", bytes(SIDE * SIDE)))


def agreement(one: Array, other: Array, back: Array | None = None) -> float:
    """Correlation of two grey pictures, each pixel against its surroundings; 1 is the same picture.

    back: 2 x 3, from a place in `one` to that in `other`; unsaid, they lie upon each other as they are.
    """
    here, there = one.astype(np.float32), other.astype(np.float32)
    known = np.ones(here.shape, bool)
    if back is not None:
        there, known = _laid_upon(there, back)
    weight = known.astype(np.float32)
    if weight.sum() < OVERLAP:
        return 0.0
    around = np.maximum(cv2.blur(weight, (AROUND, AROUND)), 1e-3)
    ours, theirs = (_capped(each - cv2.blur(each * weight, (AROUND, AROUND)) / around, known) for each in (here, there))
    length = float(np.sqrt((ours @ ours) * (theirs @ theirs)))
    return float(ours @ theirs) / length if length else 0.0


def _on_other_grounds(one: Array, other: Array, back: Array) -> bool:
    """Whether what two pictures have in common is mostly plain, and of another shade in each."""
    here, there = one.astype(np.float32), other.astype(np.float32)
    there, known = _laid_upon(there, back)
    even = [np.abs(each - cv2.blur(each, (AROUND, AROUND))) <= EVEN for each in (here, there)]
    plain = even[0] & even[1] & known
    if plain.sum() <= GROUND * known.sum():
        return False
    return float(np.abs(here - there)[plain].mean()) > SHADE


def _capped(local: Array, known: Array) -> Array:
    """In units of its own spread, which nothing exceeds: an outline counts no more than the texture within."""
    values = local[known]
    return np.clip(values / max(1.0, float(np.sqrt((values * values).mean()))), -1, 1)


def _laid_upon(picture: Array, back: Array) -> tuple[Array, Array]:
    """The picture as seen from the other, and where it is known."""
    size, way = picture.shape[1::-1], cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    known = cv2.warpAffine(np.ones(picture.shape[:2], np.float32), back, size, flags=way)
    return cv2.warpAffine(picture, back, size, flags=way), known > 0.99


def _turned(picture: Array, variant: int) -> Array:
    """As `copies.turned` numbers the orientations."""
    if variant >= 4:
        picture = picture.swapaxes(0, 1)
    return picture[:: -1 if variant % 4 >= 2 else 1, :: -1 if variant % 2 else 1]


def _even(lightness: Array) -> Array:
    spread = float(lightness.std())
    return (lightness - lightness.mean()) * (32.0 / max(spread, 4.0))
