"""What is known of the captions of one folder, as the plan's trainer reads them."""

from __future__ import annotations

from collections.abc import Sized
from typing import NamedTuple

from lora_doctor.finding import Finding
from lora_doctor.plan import Dataset, Plan
from lora_doctor.setting import Setting

SHOWN = 3  # file names in a message


class Caption(NamedTuple):
    """The caption of one image. `text` is what is trained, without the trigger that some trainers add."""

    image: str  # relative to the folder
    file: str  # the file it was read from, relative to the folder; empty where it stands in none
    text: str
    others: tuple[str, ...] = ()  # further captions of the image, one of which is drawn per step
    lines: int = 1  # lines of the file that hold text
    size: int = 0  # bytes of the file
    encoding: str = "utf-8"  # utf-8, utf-8-sig, utf-16, or unknown: then `text` is a guess
    strange: tuple[int, int] | None = None  # offset and value of the first byte that is no UTF-8
    cut: str = ""  # the lines of the file that are never trained

    @property
    def every(self) -> tuple[str, ...]:
        """All captions of the image."""
        return (self.text, *self.others)


class Trigger(NamedTuple):
    """The word that is to call the LoRA."""

    word: str
    declared: bool  # False: it leads most captions and is no word of any language
    added: bool = False  # the trainer puts it in front of captions that lack it
    setting: Setting[str] = Setting()


class Captions(NamedTuple):
    """The captions of one folder, in the order of its images.

    `limit`: tokens of a caption that reach the model, specials and template already taken off; None where not known.
    """

    plan: Plan
    data: Dataset
    entries: tuple[Caption, ...]
    trigger: Trigger | None = None
    limit: int | None = None
    complete: bool = True  # False: only the first of very many were read

    @property
    def texts(self) -> tuple[str, ...]:
        """The text of every image that has one."""
        return tuple(entry.text for entry in self.entries if entry.text)

    @property
    def filled(self) -> tuple[Caption, ...]:
        """The captions that are not empty."""
        return tuple(entry for entry in self.entries if entry.text)

    @property
    def usual(self) -> bool:
        """Whether these images are the ones to be learned; regularisation images follow other rules."""
        return self.data.regularisation.value is not True

    @property
    def describing(self) -> bool:
        """Whether they describe what is to be learned; captions of pairs say what to do with an image."""
        return self.usual and not self.data.control.value

    def finding(self, message: str, action: str = "", about: tuple[Caption, ...] = ()) -> Finding:
        """A finding at the folder's setting; `about` are the captions it speaks of."""
        place = self.data.folder if self.data.folder.place is not None else self.data.caption_source
        return place.finding(message, action)._replace(about=tuple(entry.image for entry in about))


VERBS = {"are": "is", "have": "has"}


def counted(found: Sized, captions: Captions, verb: str) -> str:
    """`1 of 24 captions is`, `3 of 24 captions are`."""
    one = VERBS.get(verb, f"{verb}s")
    return f"{len(found)} of {len(captions.entries)} captions {one if len(found) == 1 else verb}"


def names(entries: tuple[Caption, ...]) -> str:
    """`a.txt, b.txt, c.txt and 4 more`: the files to look at."""
    shown = [short(entry.file or entry.image) for entry in entries[:SHOWN]]
    return ", ".join(shown) + (f" and {len(entries) - SHOWN} more" if len(entries) > SHOWN else "")


def short(name: str) -> str:
    """A file's name on one line, its middle left out where it is a hash or a sentence."""
    name = name if name.isprintable() else ascii(name)[1:-1]
    return name if len(name) <= 44 else f"{name[:24]}...{name[-16:]}"


def quoted(text: str, length: int = 60) -> str:
    """A caption, or its beginning, on one line."""
    plain = " ".join(text.split())
    return f"`{plain}`" if len(plain) <= length else f"`{plain[:length].rsplit(' ', 1)[0]}...`"
