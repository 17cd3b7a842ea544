"""The images of one data set, with the run they are meant for beside them: what rules on images look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from lora_doctor.dataset.facts import ImageFacts
from lora_doctor.dataset.trainers import habits
from lora_doctor.finding import Finding
from lora_doctor.plan import Dataset, Plan

LONG = 60  # characters of a file name that are shown
NAMED = 3  # files a sentence names; a report for programs has them all


class Copies(NamedTuple):
    """Files that show one picture. `how`: identical (the file), pixels, near, mirrored, cropped."""

    names: tuple[str, ...]
    how: str


class Placed(NamedTuple):
    """What becomes of images of one size: the bucket in pixels, the factor they are scaled by, the share cut off."""

    width: int
    height: int
    scale: float
    lost: float


class Fate(NamedTuple):
    """What becomes of the set at one resolution: the buckets with their counts, and images that no step ever shows.

    `unseen` counts images left out of every epoch; which ones is up to the trainer's shuffle. `extra` counts showings
    added per epoch to fill batches.
    """

    edge: int
    placed: dict[tuple[int, int], Placed]  # size as the trainer sees it -> its bucket
    buckets: dict[tuple[int, int], int]  # bucket -> images
    batch: int | None = None
    unseen: int = 0
    extra: int = 0


class Atypical(NamedTuple):
    """An image unlike the others: by what, and how many robust standard deviations off."""

    name: str
    what: str
    off: float


class Overlay(NamedTuple):
    """The same lines at the same place of different pictures. `box`: left, top, right, bottom, shares of the sides."""

    names: tuple[str, ...]  # that bear it
    looked_at: int  # different pictures that were compared
    box: tuple[float, float, float, float]


class Variety(NamedTuple):
    """How many images that have nothing in common would be as varied as these, by group; and how many there are."""

    images: int
    composition: float
    palette: float
    light: float

    @property
    def overall(self) -> float:
        """The figure of the group that lacks most."""
        return min(self.composition, self.palette, self.light)


class Masks(NamedTuple):
    """Masks beside the images; names are the images'."""

    found: int
    without: tuple[str, ...] = ()  # images that have none
    orphans: tuple[str, ...] = ()  # masks without an image
    of_other_size: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()  # black: nothing of the image is learned
    full: tuple[str, ...] = ()  # white: the mask changes nothing
    grey: tuple[str, ...] = ()  # values between black and white, which weigh the loss
    unreadable: tuple[str, ...] = ()


class Shift(NamedTuple):
    """How far the second image of a pair lies off the first, pixels."""

    name: str
    x: float
    y: float


class Pairs(NamedTuple):
    """Before and after images for edit training; names are the targets'."""

    matched: int
    without: tuple[str, ...] = ()  # targets that have no control image
    orphans: tuple[str, ...] = ()  # control images without a target
    of_other_size: tuple[str, ...] = ()
    of_other_shape: tuple[str, ...] = ()  # aspect ratios more than 2 % apart
    identical: tuple[str, ...] = ()
    shifted: tuple[Shift, ...] = ()
    swapped: str = ""  # why the two folders look exchanged


class ImageSet(NamedTuple):
    """One folder of images as one trainer reads it, examined."""

    plan: Plan
    data: Dataset
    images: Sequence[ImageFacts]
    edge: int | None = None  # largest edge trained at, pixels
    copies: tuple[Copies, ...] = ()
    atypical: tuple[Atypical, ...] = ()
    variety: Variety | None = None
    fates: tuple[Fate, ...] = ()
    masks: Masks | None = None
    pairs: Pairs | None = None
    overlay: Overlay | None = None
    captions: Mapping[str, str] = MappingProxyType({})  # of the images that are copies of others

    def chosen(self, holds: Callable[[ImageFacts], bool]) -> list[ImageFacts]:
        """The images that could be examined and for which something holds."""
        return [image for image in self.images if not image.error and holds(image)]

    def finding(self, names: Iterable[str], message: str, action: str = "") -> Finding:
        """One finding about some of the files, at the setting that names their folder."""
        about = tuple(names)
        whole = f"{message}: {listed(about)}" if about else message
        return self.data.folder.finding(whole, action)._replace(about=about)


def listed(names: Sequence[str]) -> str:
    """`a.png, b.png, c.png and 4 more`, on one line whatever the names hold."""
    shown = ", ".join(_short(name if name.isprintable() else ascii(name)[1:-1]) for name in names[:NAMED])
    return shown + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")


def _short(name: str) -> str:
    """Without its middle, where it is a hash or a sentence."""
    return name if len(name) <= LONG else f"{name[: LONG // 2]}...{name[-LONG // 3 :]}"


def many(number: int, word: str = "image") -> str:
    """`1 image is`, `3 images are`: a count with its verb."""
    return f"{number:,} {word}{'s' * (number != 1)} {'is' if number == 1 else 'are'}"


def them(found: Sequence[object]) -> str:
    """What stands for one thing, or for several, in what is to be done."""
    return "it" if len(found) == 1 else "them"


def as_read(images: ImageSet, image: ImageFacts, fate: Fate) -> Placed | None:
    """What becomes of one image."""
    turned = image.shown if habits(images.plan.trainer).turns else (image.width, image.height)
    return fate.placed.get(turned)


def enlarged(images: ImageSet, fate: Fate, factor: float) -> list[tuple[ImageFacts, float]]:
    """Images scaled up by more than a factor, most first."""
    found = [(image, place.scale) for image in images.images if (place := as_read(images, image, fate))]
    return sorted((each for each in found if each[1] > factor), key=lambda each: -each[1])


def cropped(images: ImageSet, fate: Fate, share: float) -> list[tuple[ImageFacts, float]]:
    """Images that lose more than a share, most first."""
    found = [(image, place.lost) for image in images.images if (place := as_read(images, image, fate))]
    return sorted((each for each in found if each[1] > share), key=lambda each: -each[1])
